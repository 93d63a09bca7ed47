#include "tests/agent/uplink/memory_file_system.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace skimwatch::testing {
namespace {

std::string DirectoryOf(const std::string& path) { return path.substr(0, path.rfind('/')); }

absl::Status NotFound(const std::string& path) { return absl::NotFoundError(path + ": not there"); }

}  // namespace

class MemoryFileSystem::MemoryFile : public uplink::File {
 public:
  MemoryFile(MemoryFileSystem* files, std::shared_ptr<Node> node, std::string path)
      : files_(files), node_(std::move(node)), path_(std::move(path)) {}

  absl::StatusOr<size_t> ReadAt(uint64_t offset, absl::Span<char> buffer) override {
    if (absl::Status s = files_->Ask(Operation::kRead, path_); !s.ok()) return s;
    absl::MutexLock lock(&files_->mutex_);
    if (offset >= node_->bytes.size()) return size_t{0};
    const size_t size = std::min<size_t>(buffer.size(), node_->bytes.size() - offset);
    std::memcpy(buffer.data(), node_->bytes.data() + offset, size);
    return size;
  }

  absl::Status WriteAt(uint64_t offset, std::string_view bytes) override {
    absl::Status status = files_->Ask(Operation::kWrite, path_);
    if (!status.ok()) bytes = bytes.substr(0, bytes.size() / 2);
    absl::MutexLock lock(&files_->mutex_);
    const uint64_t end = offset + bytes.size();
    if (end > node_->bytes.size()) {
      const uint64_t used = files_->TotalBytesLocked() - node_->bytes.size();
      const uint64_t room = files_->capacity_ > used ? files_->capacity_ - used : 0;
      if (end > room) {
        const uint64_t size = std::max<uint64_t>(room, node_->bytes.size());
        bytes = bytes.substr(0, size > offset ? size - offset : 0);
        status = absl::ResourceExhaustedError(path_ + ": no space left on device");
      }
    }
    if (bytes.empty()) return status;
    if (offset + bytes.size() > node_->bytes.size()) node_->bytes.resize(offset + bytes.size());
    std::memcpy(node_->bytes.data() + offset, bytes.data(), bytes.size());
    return status;
  }

  absl::Status Truncate(uint64_t size) override {
    if (absl::Status s = files_->Ask(Operation::kTruncate, path_); !s.ok()) return s;
    absl::MutexLock lock(&files_->mutex_);
    node_->bytes.resize(size);
    return absl::OkStatus();
  }

  absl::Status Sync() override {
    if (absl::Status s = files_->Ask(Operation::kSync, path_); !s.ok()) return s;
    absl::MutexLock lock(&files_->mutex_);
    ++files_->syncs_;
    node_->durable = node_->bytes;
    return absl::OkStatus();
  }

  absl::StatusOr<uint64_t> Size() override {
    absl::MutexLock lock(&files_->mutex_);
    return node_->bytes.size();
  }

 private:
  MemoryFileSystem* const files_;
  const std::shared_ptr<Node> node_;
  const std::string path_;
};

class MemoryFileSystem::MemoryLock : public uplink::FileLock {
 public:
  MemoryLock(MemoryFileSystem* files, std::string path) : files_(files), path_(std::move(path)) {}
  ~MemoryLock() override {
    absl::MutexLock lock(&files_->mutex_);
    files_->locks_.erase(path_);
  }

 private:
  MemoryFileSystem* const files_;
  const std::string path_;
};

absl::Status MemoryFileSystem::Ask(Operation operation, const std::string& path) {
  Fault fault;
  {
    absl::MutexLock lock(&mutex_);
    fault = fault_;
  }
  return fault == nullptr ? absl::OkStatus() : fault(operation, path);
}

absl::StatusOr<std::unique_ptr<uplink::File>> MemoryFileSystem::Open(const std::string& path,
                                                                     OpenMode mode) {
  if (absl::Status s = Ask(Operation::kOpen, path); !s.ok()) return s;
  absl::MutexLock lock(&mutex_);
  std::shared_ptr<Node>& node = entries_[path];
  if (mode == OpenMode::kCreateNew) {
    if (node != nullptr) return absl::AlreadyExistsError(path + ": is there");
    node = std::make_shared<Node>();
  } else if (node == nullptr) {
    entries_.erase(path);
    return NotFound(path);
  }
  return std::make_unique<MemoryFile>(this, node, path);
}

absl::Status MemoryFileSystem::CreateDirectory(const std::string& /*path*/) {
  return absl::OkStatus();
}

absl::StatusOr<std::vector<std::string>> MemoryFileSystem::ListDirectory(const std::string& path) {
  return Names(path);
}

absl::Status MemoryFileSystem::Rename(const std::string& from, const std::string& to) {
  if (absl::Status s = Ask(Operation::kRename, from); !s.ok()) return s;
  absl::MutexLock lock(&mutex_);
  const auto entry = entries_.find(from);
  if (entry == entries_.end()) return NotFound(from);
  entries_[to] = entry->second;
  entries_.erase(from);
  return absl::OkStatus();
}

absl::Status MemoryFileSystem::Link(const std::string& from, const std::string& to) {
  if (absl::Status s = Ask(Operation::kLink, from); !s.ok()) return s;
  absl::MutexLock lock(&mutex_);
  const auto entry = entries_.find(from);
  if (entry == entries_.end()) return NotFound(from);
  if (entries_.count(to) > 0) return absl::AlreadyExistsError(to + ": is there");
  const std::shared_ptr<Node> node = entry->second;
  entries_[to] = node;
  return absl::OkStatus();
}

absl::Status MemoryFileSystem::Remove(const std::string& path) {
  if (absl::Status s = Ask(Operation::kRemove, path); !s.ok()) return s;
  absl::MutexLock lock(&mutex_);
  return entries_.erase(path) > 0 ? absl::OkStatus() : NotFound(path);
}

absl::Status MemoryFileSystem::SyncDirectory(const std::string& path) {
  if (absl::Status s = Ask(Operation::kSyncDirectory, path); !s.ok()) return s;
  absl::MutexLock lock(&mutex_);
  for (auto entry = durable_entries_.begin(); entry != durable_entries_.end();) {
    entry = DirectoryOf(entry->first) == path ? durable_entries_.erase(entry) : std::next(entry);
  }
  for (const auto& [name, node] : entries_) {
    if (DirectoryOf(name) == path) durable_entries_[name] = node;
  }
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<uplink::FileLock>> MemoryFileSystem::Lock(const std::string& path) {
  absl::MutexLock lock(&mutex_);
  if (!locks_.insert(path).second) return absl::FailedPreconditionError(path + ": is locked");
  return std::make_unique<MemoryLock>(this, path);
}

void MemoryFileSystem::SetFault(Fault fault) {
  absl::MutexLock lock(&mutex_);
  fault_ = std::move(fault);
}

void MemoryFileSystem::SetCapacity(uint64_t bytes) {
  absl::MutexLock lock(&mutex_);
  capacity_ = bytes;
}

void MemoryFileSystem::Crash(std::mt19937_64& random) {
  absl::MutexLock lock(&mutex_);
  locks_.clear();
  // Of each name that was made or removed since its folder was synced, a coin says whether the
  // change is there.
  Entries after;
  for (const auto& [name, node] : durable_entries_) {
    if (entries_.count(name) > 0 || random() % 2 == 0) after[name] = node;
  }
  for (const auto& [name, node] : entries_) {
    const auto durable = durable_entries_.find(name);
    if (durable == durable_entries_.end() && random() % 2 == 0) after[name] = node;
  }
  entries_ = after;
  durable_entries_ = after;
  for (auto& [name, node] : entries_) {
    // Written bytes reach the disk in any part up to some byte; the size may be ahead of them.
    const std::string written = node->bytes;
    const size_t longest = std::max(written.size(), node->durable.size());
    const size_t reached = random() % (longest + 1);
    std::string bytes = node->durable;
    switch (random() % 4) {
      case 0:
        break;
      case 1:
        bytes = written;
        break;
      case 2:
        if (written.size() >= bytes.size()) {
          bytes.resize(std::max(bytes.size(), std::min(reached, written.size())));
        }
        for (size_t i = 0; i < std::min(reached, bytes.size()) && i < written.size(); ++i) {
          bytes[i] = written[i];
        }
        break;
      default:
        // The size is there, the bytes are zeros.
        if (written.size() > bytes.size()) bytes.resize(written.size(), '\0');
        break;
    }
    node->bytes = bytes;
    node->durable = bytes;
  }
}

std::vector<std::string> MemoryFileSystem::Names(const std::string& directory) const {
  absl::MutexLock lock(&mutex_);
  std::vector<std::string> names;
  for (const auto& [name, node] : entries_) {
    if (DirectoryOf(name) == directory) names.push_back(name.substr(directory.size() + 1));
  }
  return names;
}

std::string MemoryFileSystem::Get(const std::string& path) const {
  absl::MutexLock lock(&mutex_);
  const auto entry = entries_.find(path);
  return entry == entries_.end() ? std::string() : entry->second->bytes;
}

void MemoryFileSystem::Put(const std::string& path, std::string bytes) {
  absl::MutexLock lock(&mutex_);
  auto node = std::make_shared<Node>();
  node->bytes = bytes;
  node->durable = std::move(bytes);
  entries_[path] = node;
  durable_entries_[path] = node;
}

uint64_t MemoryFileSystem::TotalBytesLocked() const {
  std::set<const Node*> nodes;
  uint64_t total = 0;
  for (const auto& [name, node] : entries_) {
    if (nodes.insert(node.get()).second) total += node->bytes.size();
  }
  return total;
}

uint64_t MemoryFileSystem::TotalBytes() const {
  absl::MutexLock lock(&mutex_);
  return TotalBytesLocked();
}

uint64_t MemoryFileSystem::syncs() const {
  absl::MutexLock lock(&mutex_);
  return syncs_;
}

}  // namespace skimwatch::testing
