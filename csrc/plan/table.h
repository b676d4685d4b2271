// The columns of a plan's rows, one row a patch; src/nsa/plan/table.py documents each.
#pragma once

#include <cstdint>

namespace nsa {

enum PlanColumn : int {
    kImage,
    kSource,
    kSrcX,
    kSrcY,
    kSrcW,
    kSrcH,
    kWidth,
    kHeight,
    kDstX,
    kDstY,
    kRoiX,
    kRoiY,
    kRoiW,
    kRoiH,
    kPlaceX,
    kPlaceY,
    kBlendMask,
    kLabelMask,
    kRound,
    kMode,
    kPlanColumns
};

constexpr int kPlanModes = 4;  // that kMode may be: blend/mode.h names them

}  // namespace nsa
