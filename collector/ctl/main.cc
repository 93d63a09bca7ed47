#include <clocale>
#include <cstdio>
#include <span>

#include "collector/ctl/run.h"

int main(int argc, char** argv) {
  // For the width of characters in tables; numbers and times stay as in C.
  std::setlocale(LC_CTYPE, "C.UTF-8");
  return skimwatch::ctl::Run(std::span<char*>(argv, static_cast<size_t>(argc)));
}
