#pragma once
// A number that an activation takes, as the schemas and the Python package list it.

namespace actinium::math {

struct Parameter {
  const char* name;
  double default_value;
};

}  // namespace actinium::math
