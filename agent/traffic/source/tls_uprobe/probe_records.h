#ifndef SKIMWATCH_AGENT_TRAFFIC_SOURCE_TLS_UPROBE_PROBE_RECORDS_H_
#define SKIMWATCH_AGENT_TRAFFIC_SOURCE_TLS_UPROBE_PROBE_RECORDS_H_

// What tls_probe.bpf.c and the agent say to each other. Plain C, for both compilers; fixed layouts,
// since both sides are always built together.

#ifdef __BPF__
#include <linux/types.h>
#else
#include <linux/types.h>

#include <cstddef>
#endif

// Bytes of one piece of a write or read that are copied at most: one TLS record's.
#define SKIMWATCH_PIECE_BYTES_MAX 16384
// Pieces of one call that are copied at most, so that the kernel can prove an end.
#define SKIMWATCH_PIECES_MAX 256
// A server name (RFC 6066 3) as DNS has it, with the zero byte.
#define SKIMWATCH_SERVER_NAME_BYTES 256
#define SKIMWATCH_COMMAND_BYTES 16

enum skimwatch_record_kind {
  SKIMWATCH_RECORD_WRITE = 0,
  SKIMWATCH_RECORD_READ = 1,
  // The connection's object is gone.
  SKIMWATCH_RECORD_CLOSE = 2,
};

enum skimwatch_role {
  SKIMWATCH_ROLE_UNKNOWN = 0,
  SKIMWATCH_ROLE_CLIENT = 1,
  SKIMWATCH_ROLE_SERVER = 2,
};

// Names one object of a TLS library in one process.
struct skimwatch_connection_key {
  __u64 object;
  __u32 tgid;
  __u32 zero;
};

// What is known of a connection. Addresses are in network order, IPv4 in its mapped form.
struct skimwatch_connection {
  // Another one for every connection, also where an object's address is used again.
  __u64 id;
  __u64 process_start_ns;
  // Bytes of plain text that passed, by SKIMWATCH_RECORD_WRITE and _READ.
  __u64 position[2];
  // GnuTLS: the buffer of a write that is to be tried again.
  __u64 retried_buffer;
  __u8 role;
  __u8 has_address;
  // In host order.
  __u16 local_port;
  __u16 remote_port;
  __u16 server_name_bytes;
  __u8 local_ip[16];
  __u8 remote_ip[16];
  char server_name[SKIMWATCH_SERVER_NAME_BYTES];
};

// One piece of what a call passed, or the end of a connection. `data_bytes` of data follow.
struct skimwatch_record {
  struct skimwatch_connection_key key;
  __u64 id;
  // Of the process, since boot.
  __u64 process_start_ns;
  // CLOCK_MONOTONIC.
  __u64 time_ns;
  // Of the piece's first byte in its direction.
  __u64 position;
  __u32 bytes;
  // Less than `bytes` where the rest is beyond the limit or could not be read.
  __u32 data_bytes;
  __u32 kind;
  // The process' main thread's name.
  char command[SKIMWATCH_COMMAND_BYTES];
  __u32 zero;
};

// Summed over all processors.
struct skimwatch_probe_counters {
  __u64 records;
  // What the ring had no room for.
  __u64 dropped_records;
  __u64 dropped_bytes;
  // Calls whose beginning was not seen, such as those under way when the probes came.
  __u64 unmatched_returns;
  // Times that a connection's socket was seen, within a call and right after one.
  __u64 addresses;
};

#endif  // SKIMWATCH_AGENT_TRAFFIC_SOURCE_TLS_UPROBE_PROBE_RECORDS_H_
