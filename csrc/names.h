// The words that the settings have for the values of an enum, for everybody who has to name one.
#pragma once

namespace nsa {

// Specialised beside each enum: kWhat, what its values are, and kAll, their words in its order.
template <typename Enum>
struct Names;

}  // namespace nsa
