#include "map.h"

#include <algorithm>
#include <tuple>
#include <utility>

Map enlarged(const Map& map, int rows, int columns, int height, int width) {
    const int top = (map.height - rows) / 2, left = (map.width - columns) / 2;
    const auto between = [](int at, int size, int before) {
        const float place = std::max(0.0f, (at + 0.5f) * before / size - 0.5f);
        const int low = std::min(static_cast<int>(place), before - 1);
        return std::tuple(low, std::min(low + 1, before - 1), place - low);
    };
    Map result{height, width, {}};
    for (int y = 0; y < height; ++y) {
        const auto [above, below, down] = between(y, height, rows);
        for (int x = 0; x < width; ++x) {
            const auto [before, after, right] = between(x, width, columns);
            const auto value = [&](int row, int column) {
                return map.values[static_cast<size_t>(top + row) * map.width + left + column];
            };
            const float upper = (1 - right) * value(above, before) + right * value(above, after);
            const float lower = (1 - right) * value(below, before) + right * value(below, after);
            result.values.push_back((1 - down) * upper + down * lower);
        }
    }
    return result;
}

Box region_around(const Map& map, int x, int y, float limit) {
    int left = x, right = x, top = y, bottom = y, area = 0;
    std::vector<bool> seen(map.values.size());
    std::vector<std::pair<int, int>> open{{x, y}};
    seen[static_cast<size_t>(y) * map.width + x] = true;
    while (!open.empty()) {
        std::tie(x, y) = open.back();
        open.pop_back();
        ++area;
        left = std::min(left, x), right = std::max(right, x);
        top = std::min(top, y), bottom = std::max(bottom, y);
        for (int row = std::max(y - 1, 0); row <= std::min(y + 1, map.height - 1); ++row) {
            for (int column = std::max(x - 1, 0); column <= std::min(x + 1, map.width - 1);
                 ++column) {
                const size_t at = static_cast<size_t>(row) * map.width + column;
                if (seen[at] || map.values[at] <= limit) continue;
                seen[at] = true;
                open.emplace_back(column, row);
            }
        }
    }
    return {left, top, right - left + 1, bottom - top + 1, area};
}
