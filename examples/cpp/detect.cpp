// Judges an image by a detector that `nsa export` wrote, with ONNX Runtime alone: README.md.
#include <onnxruntime_cxx_api.h>
#include <stb_image_write.h>

#include <algorithm>
#include <array>
#include <exception>
#include <filesystem>
#include <iostream>
#include <optional>
#include <sstream>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "image.h"
#include "map.h"

namespace {

// What the file says about itself.
struct Notes {
    std::string rule;  // how an image comes to the size: stretch, fit, frame or none
    Size size;
    int channels, smallest;
    Levels levels;
    std::optional<double> threshold, pixel_threshold;  // none: the run was not calibrated
};

struct Found {
    double score;
    Map map;
};

Notes read_notes(const Ort::Session& session, const std::string& path) {
    Ort::AllocatorWithDefaultOptions allocator;
    const Ort::ModelMetadata metadata = session.GetModelMetadata();
    const auto find = [&](const char* key) -> std::optional<std::string> {
        const auto found = metadata.LookupCustomMetadataMapAllocated(key, allocator);
        return found ? std::optional<std::string>(found.get()) : std::nullopt;
    };
    const auto number = [&](const char* key) -> std::optional<double> {
        const auto text = find(key);
        if (!text) return std::nullopt;
        double value = 0;
        if (!(std::istringstream(*text) >> value)) {
            throw std::runtime_error(path + " has no usable " + key +
                                     "; write it with nsa export.");
        }
        return value;
    };
    const auto rule = find("resize_rule");
    if (!rule) {
        throw std::runtime_error(path + " does not say how images are resized for it; write it " +
                                 "with nsa export.");
    }
    Notes notes{};
    notes.rule = *rule;
    const auto whole = [&](const char* key) {
        const auto value = number(key);
        if (!value) throw std::runtime_error(path + " does not say its " + key + ".");
        return static_cast<int>(*value);
    };
    notes.size = {whole("height"), whole("width")};
    notes.channels = whole("channels");
    notes.smallest = static_cast<int>(number("smallest").value_or(1));
    notes.threshold = number("threshold");
    notes.pixel_threshold = number("pixel_threshold");
    if (const auto levels = find("levels")) {
        std::istringstream text(*levels);
        int low = 0, high = 0;
        if (!(text >> low >> high) || low >= high) {
            throw std::runtime_error(path + " has levels that are no two rising numbers.");
        }
        notes.levels.emplace(low, high);
    }
    return notes;
}

Ort::Session open(const Ort::Env& env, const std::string& path) {
    try {
        return {env, std::filesystem::path(path).c_str(), Ort::SessionOptions()};
    } catch (const Ort::Exception& error) {
        throw std::runtime_error(path + " cannot be opened as a detector (" + error.what() + ").");
    }
}

// The score of an image and its map, of the size that the detector sees.
Found judge(Ort::Session& session, const Image& image) {
    const size_t plane = static_cast<size_t>(image.height) * image.width;
    std::vector<uint8_t> planes(image.pixels.size());  // channels one after another
    for (size_t at = 0; at < planes.size(); ++at) {
        planes[at] = image.pixels[at % plane * image.channels + at / plane];
    }
    const auto memory = Ort::MemoryInfo::CreateCpu(OrtArenaAllocator, OrtMemTypeDefault);
    const std::array<int64_t, 4> shape{1, image.channels, image.height, image.width};
    const auto input = Ort::Value::CreateTensor<uint8_t>(memory, planes.data(), planes.size(),
                                                         shape.data(), shape.size());
    const char *in = "images", *out[] = {"scores", "maps"};
    const auto values = session.Run(Ort::RunOptions(), &in, &input, 1, out, 2);
    const bool twice = values[0].GetTensorTypeAndShapeInfo().GetElementType() ==
                       ONNX_TENSOR_ELEMENT_DATA_TYPE_DOUBLE;
    const double score =
        twice ? *values[0].GetTensorData<double>() : *values[0].GetTensorData<float>();
    if (values[1].GetTensorTypeAndShapeInfo().GetElementCount() != plane) {
        throw std::runtime_error("The detector's map is not of the size of its image.");
    }
    const float* map = values[1].GetTensorData<float>();
    return {score, {image.height, image.width, {map, map + plane}}};
}

void write_heat_map(const std::string& path, const Map& map, float white) {
    std::vector<uint8_t> grey;
    for (float value : map.values) {
        grey.push_back(
            static_cast<uint8_t>(255 * (white > 0 ? std::clamp(value / white, 0.0f, 1.0f) : 0.0f)));
    }
    if (!stbi_write_png(path.c_str(), map.width, map.height, 1, grey.data(), map.width)) {
        throw std::runtime_error(path + " cannot be written.");
    }
}

// Whether an image is anomalous.
bool detect(const std::string& detector, const std::string& path, const char* heat_map) {
    const Ort::Env env(ORT_LOGGING_LEVEL_ERROR);
    Ort::Session session = open(env, detector);
    const Notes notes = read_notes(session, detector);

    const Image own = read_image(path, notes.channels, notes.levels);
    Size size = notes.size;
    if (notes.rule == "none") size = {own.height, own.width};
    if (notes.rule == "fit" || notes.rule == "frame") size = fitted(own, notes.size);
    if (std::min(size.height, size.width) < notes.smallest) {
        throw std::runtime_error(path + " is too small: the detector takes images from " +
                                 std::to_string(notes.smallest) + " px a side.");
    }
    Image seen = scaled(own, size);
    if (notes.rule == "frame") {
        if (size.height != notes.size.height || size.width != notes.size.width) {
            std::cerr << "Warning: " << path << " does not fill the detector's frame, so its score "
                      << "is not that of nsa predict.\n";
        }
        seen = framed(seen, notes.size);
    }
    const Found found = judge(session, seen);

    const Map map = enlarged(found.map, size.height, size.width, own.height, own.width);
    const auto peak = std::max_element(map.values.begin(), map.values.end());
    const int at = static_cast<int>(peak - map.values.begin());
    const int x = at % map.width, y = at / map.width;
    const bool anomalous = notes.threshold && found.score > *notes.threshold;
    std::cout.precision(9);
    std::cout << "decision: "
              << (!notes.threshold ? "none"
                  : anomalous      ? "anomalous"
                                   : "normal")
              << "\nscore: " << found.score;
    if (notes.threshold) std::cout << "\nthreshold: " << *notes.threshold;
    std::cout << "\npeak: " << *peak << " at x " << x << ", y " << y << "\n";
    const auto limit = static_cast<float>(notes.pixel_threshold.value_or(*peak));
    if (*peak > limit) {
        const Box box = region_around(map, x, y, limit);
        std::cout << "region: x " << box.x << ", y " << box.y << ", width " << box.width
                  << ", height " << box.height << ", area " << box.area << "\n";
    }
    if (heat_map) write_heat_map(heat_map, map, std::max(*peak, limit));
    return anomalous;
}

}  // namespace

int main(int count, char** arguments) {
    if (count != 3 && count != 4) {
        std::cerr << "Usage: detect DETECTOR.onnx IMAGE [HEAT_MAP.png]\n";
        return 2;
    }
    try {
        return detect(arguments[1], arguments[2], count == 4 ? arguments[3] : nullptr) ? 1 : 0;
    } catch (const std::exception& error) {
        std::cerr << "Error: " << error.what() << "\n";
        return 2;
    }
}
