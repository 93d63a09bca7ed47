#ifndef SKIMWATCH_TESTS_BENCH_CARD_CORPUS_H_
#define SKIMWATCH_TESTS_BENCH_CARD_CORPUS_H_

#include <cstddef>
#include <string>

namespace skimwatch::bench {

// Made texts, the same on every machine. Numbers are planted in the first two, one in about 16 KiB,
// plain, grouped and encoded.

// What a web server exchanges and logs: requests, JSON with identifiers and times, log lines,
// base64, HTML; about a fifth of the bytes are digits.
std::string WebTraffic(size_t bytes);
// Minified scripts: short names, calls, strings, paths, a few numbers.
std::string Scripts(size_t bytes);

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
