#ifndef SKIMWATCH_TESTS_BENCH_CARD_CORPUS_H_
#define SKIMWATCH_TESTS_BENCH_CARD_CORPUS_H_

#include <cstddef>
#include <string>
#include <vector>

namespace skimwatch::bench {

// A text with numbers planted in it, and where each begins and ends.
struct Planted {
  struct Place {
    size_t begin = 0;
    size_t end = 0;
    // In digits of ASCII, so that it is found without decoding.
    bool plain = false;
  };
  std::string text;
  std::vector<Place> places;
};

// Made text, the same on every machine: what a web server exchanges and logs. Requests, JSON with
// identifiers and times, log lines, base64, HTML; more than a fifth of the bytes are digits, and
// every 220 bytes or so there is a run of 13 to 19. One in ten of these passes the Luhn test, and
// one in 60 has an issuer's first digits and length too. A number is planted in about 64 KiB.
Planted DigitHeavy(size_t bytes);
// The files below `folder` in an order that only depends on their paths, until there are `bytes`,
// with numbers planted between lines, one in about 64 KiB. Empty when there are no files.
Planted WebFiles(const std::string& folder, size_t bytes);

// The worst that a byte can cost.
std::string AllDigits(size_t bytes);
std::string AllBase64(size_t bytes);
std::string AllHex(size_t bytes);
std::string DigitsAndSeparators(size_t bytes);
// Valid numbers without end, so that every one is judged.
std::string Bait(size_t bytes);
// Digits of which every window of sixteen passes the Luhn test.
std::string BaitAtEveryOffset(size_t bytes);
std::string AllPercent(size_t bytes);
// Every kind of escape within another, and base64 and hex between, so that each asks for decoding.
std::string NestedEscapes(size_t bytes);

}  // namespace skimwatch::bench

#endif  // SKIMWATCH_TESTS_BENCH_CARD_CORPUS_H_
