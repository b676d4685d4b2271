// Heat maps of a detector, and what is found in them.
#pragma once

#include <vector>

struct Map {  // rows from the top, one value a pixel; higher is more anomalous
    int height, width;
    std::vector<float> values;
};

struct Box {
    int x, y, width, height, area;  // px; area is the number of its pixels that are above the limit
};

// The middle of a map, of some rows and columns, interpolated to another height and width.
Map enlarged(const Map& map, int rows, int columns, int height, int width);

// The connected pixels above a limit around the pixel (x, y), which is.
Box region_around(const Map& map, int x, int y, float limit);
