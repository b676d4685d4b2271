#include "plan/check.h"

#include <string>

#include "bounds.h"
#include "errors.h"

namespace nsa {
namespace {

class RowCheck {
  public:
    RowCheck(const PlanView& plan, int64_t row)
        : values_(plan.rows + row * kPlanColumns), row_(row) {}

    void index(PlanColumn column, const char* name, int64_t count, const char* what) const {
        if (values_[column] < 0 || values_[column] >= count) {
            fail(name, column, "is not one of the " + std::to_string(count) + " " + what);
        }
    }

    // A box side that has to be positive and lie inside [0, limit) together with its start.
    void span(PlanColumn start, const char* name, PlanColumn size, const char* size_name,
              int64_t limit, const char* what) const {
        if (values_[size] < 1) fail(size_name, size, "must be at least 1");
        if (!lies_inside(values_[start], values_[size], limit)) {
            fail(name, start,
                 "with " + std::string(size_name) + " " + std::to_string(values_[size]) +
                     " leaves the " + what + " of size " + std::to_string(limit));
        }
    }

    void mask(PlanColumn column, const char* name, int64_t bytes) const {
        const int64_t size = int64_t{values_[kWidth]} * values_[kHeight];
        if (values_[column] != -1 && !lies_inside(values_[column], size, bytes)) {
            fail(name, column,
                 "must be -1 or the start of " + std::to_string(size) + " of the " +
                     std::to_string(bytes) + " mask bytes");
        }
    }

    void factor(float value) const {
        if (!(value > 0.0f && value <= 1.0f)) {
            reject_row(row_, "factor " + std::to_string(value) + " is not in (0, 1]");
        }
    }

    [[noreturn]] void fail(const char* name, PlanColumn column, const std::string& why) const {
        reject_row(row_, std::string(name) + " " + std::to_string(values_[column]) + " " + why);
    }

    // Where the patch lands, as blending and labels read it.
    void destination(const ImagesView& images) const {
        index(kImage, "image", images.count, "images");
        span(kDstX, "dst_x", kWidth, "width", images.width, "image's width");
        span(kDstY, "dst_y", kHeight, "height", images.height, "image's height");
    }

  private:
    const int32_t* values_;
    int64_t row_;
};

// Rows are counted in 32 bits.
void check_count(const PlanView& plan) {
    if (plan.patches > INT32_MAX) throw InputError("plan: more than 2^31 - 1 rows.");
}

}  // namespace

void check_plan(const PlanView& plan, int64_t mask_bytes, const ImagesView& images,
                const ImagesView& sources) {
    check_count(plan);
    for (int64_t row = 0; row < plan.patches; ++row) {
        const RowCheck check(plan, row);
        check.destination(images);
        check.index(kSource, "source", sources.count, "sources");
        check.span(kSrcX, "src_x", kSrcW, "src_w", sources.width, "source's width");
        check.span(kSrcY, "src_y", kSrcH, "src_h", sources.height, "source's height");
        const int32_t* const values = plan.rows + row * kPlanColumns;
        check.span(kRoiX, "roi_x", kRoiW, "roi_w", values[kWidth], "patch's width");
        check.span(kRoiY, "roi_y", kRoiH, "roi_h", values[kHeight], "patch's height");
        check.span(kPlaceX, "place_x", kRoiW, "roi_w", images.width, "image's width");
        check.span(kPlaceY, "place_y", kRoiH, "roi_h", images.height, "image's height");
        check.mask(kBlendMask, "blend_mask", mask_bytes);
        check.mask(kLabelMask, "label_mask", mask_bytes);
        check.index(kMode, "mode", kPlanModes, "ways to blend");
        if (row > 0 && values[kRound] < (values - kPlanColumns)[kRound]) {
            check.fail("round", kRound, "comes after a later round; sort the rows by round");
        }
        check.factor(plan.factors[row]);
    }
}

void check_label_plan(const PlanView& plan, int64_t mask_bytes, const ImagesView& images) {
    check_count(plan);
    for (int64_t row = 0; row < plan.patches; ++row) {
        const RowCheck check(plan, row);
        check.destination(images);
        check.mask(kLabelMask, "label_mask", mask_bytes);
        check.factor(plan.factors[row]);
    }
}

void reject_row(int64_t row, const std::string& why) {
    throw InputError("plan row " + std::to_string(row) + ": " + why + ".");
}

}  // namespace nsa
