// Sees what programs give to their TLS library and get from it.
//
// A call's bytes are taken when it returns: only then is it known how many of them passed. What the
// call began with is kept in `calls` until then, by thread. Which socket a connection uses shows
// when the thread sends on one within the call; or, for programs that hand the ciphertext to the
// socket themselves (Node.js), right after it, and then it is believed only where the number of
// bytes is what TLS makes of the plain text.
//
// Built without the kernel's headers: the few fields of its structures that are looked at are
// declared here and found through BTF when the program is loaded (CO-RE).

// The order matters: linux/bpf.h has the types that the others use.
// clang-format off
#include <linux/bpf.h>
#include <linux/ptrace.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>
// clang-format on

#include "probe_records.h"

char LICENSE[] SEC("license") = "GPL";

struct in6_addr {
  __u8 bytes[16];
} __attribute__((preserve_access_index));

struct sock_common {
  __u32 skc_daddr;
  __u32 skc_rcv_saddr;
  __u16 skc_dport;
  unsigned short skc_family;
  struct in6_addr skc_v6_daddr;
  struct in6_addr skc_v6_rcv_saddr;
} __attribute__((preserve_access_index));

struct sock {
  struct sock_common __sk_common;
  __u16 sk_protocol;
} __attribute__((preserve_access_index));

struct inet_sock {
  __u16 inet_sport;
} __attribute__((preserve_access_index));

struct task_struct {
  struct task_struct* group_leader;
  __u64 start_boottime;
  char comm[SKIMWATCH_COMMAND_BYTES];
} __attribute__((preserve_access_index));

#define AF_INET 2
#define AF_INET6 10
#define IPPROTO_TCP 6

// The return instruction takes the address that it returns to off the stack.
#ifdef __TARGET_ARCH_x86
#define RETURN_POPS 8
#else
#define RETURN_POPS 0
#endif

// Of the agent itself, whose traffic is not looked at.
const volatile __u32 agent_tgid = 0;
// Bytes of one call that are copied at most.
const volatile __u32 call_bytes_max = 1 << 20;

// With so many bytes in the ring the agent is woken; with fewer it comes by itself, within some
// milliseconds, so that a busy program does not pay for a wake-up with every write.
const volatile __u32 wake_bytes = 0;

enum call_kind { CALL_WRITE, CALL_READ, CALL_SENDFILE, CALL_INIT, CALL_FLUSH };

struct call {
  __u64 object;
  __u64 buffer;
  // Where the number of bytes is put, or 0 where it is returned; for CALL_INIT the role.
  __u64 count;
  __u64 stack;
  __u32 kind;
  // The return value is an `int`.
  __u32 returns_int;
};

// Calls within calls: TLS inside TLS, through a proxy.
#define CALLS_MAX 4

struct thread_calls {
  __u32 depth;
  // A connection wrote and its socket is not known: what the thread sends next is its, if it has
  // as many bytes.
  __u32 awaits_send;
  struct skimwatch_connection_key awaiting;
  __u64 send_bytes_min;
  __u64 send_bytes_max;
  struct call calls[CALLS_MAX];
};

struct {
  __uint(type, BPF_MAP_TYPE_RINGBUF);
  // Set before it is loaded.
  __uint(max_entries, 1 << 24);
} ring SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_LRU_HASH);
  __uint(max_entries, 16384);
  __type(key, __u64);
  __type(value, struct thread_calls);
} calls SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_LRU_HASH);
  __uint(max_entries, 16384);
  __type(key, struct skimwatch_connection_key);
  __type(value, struct skimwatch_connection);
} connections SEC(".maps");

// Connections that were closed, by their id, until the agent has read their records.
struct {
  __uint(type, BPF_MAP_TYPE_LRU_HASH);
  __uint(max_entries, 16384);
  __type(key, __u64);
  __type(value, struct skimwatch_connection);
} closed SEC(".maps");

// Processes that nobody asked to watch, by id, with their start.
struct {
  __uint(type, BPF_MAP_TYPE_LRU_HASH);
  __uint(max_entries, 16384);
  __type(key, __u32);
  __type(value, __u64);
} ignored SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, struct skimwatch_probe_counters);
} counters SEC(".maps");

// Templates, too large for the stack; never written to.
struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, struct thread_calls);
} no_calls SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, struct skimwatch_connection);
} no_connection SEC(".maps");

// What is written over plain text that lies in the ring after it was read.
struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, char[SKIMWATCH_PIECE_BYTES_MAX]);
} zeros SEC(".maps");

static __always_inline struct skimwatch_probe_counters* counted(void) {
  const __u32 zero = 0;
  return bpf_map_lookup_elem(&counters, &zero);
}

static __always_inline __u64 process_start_ns(void) {
  struct task_struct* task = (struct task_struct*)bpf_get_current_task();
  return BPF_CORE_READ(task, group_leader, start_boottime);
}

static __always_inline int is_watched(__u64 thread) {
  const __u32 tgid = thread >> 32;
  if (tgid == agent_tgid) return 0;
  const __u64* start = bpf_map_lookup_elem(&ignored, &tgid);
  return start == NULL || *start != process_start_ns();
}

static __always_inline struct skimwatch_connection_key key_of(__u64 object) {
  struct skimwatch_connection_key key = {
      .object = object, .tgid = bpf_get_current_pid_tgid() >> 32, .zero = 0};
  return key;
}

// The connection of this process, made where there is none.
static __always_inline struct skimwatch_connection* connection_of(
    struct skimwatch_connection_key* key) {
  const __u64 start = process_start_ns();
  struct skimwatch_connection* connection = bpf_map_lookup_elem(&connections, key);
  if (connection != NULL && connection->process_start_ns == start) return connection;
  const __u32 zero = 0;
  const void* template = bpf_map_lookup_elem(&no_connection, &zero);
  if (template == NULL) return NULL;
  bpf_map_update_elem(&connections, key, template, BPF_ANY);
  connection = bpf_map_lookup_elem(&connections, key);
  if (connection == NULL) return NULL;
  // One processor makes no two within a nanosecond.
  connection->id = bpf_ktime_get_ns() << 8 | (bpf_get_smp_processor_id() & 0xff);
  connection->process_start_ns = start;
  return connection;
}

static __always_inline void fill(struct skimwatch_record* record,
                                 const struct skimwatch_connection_key* key, __u64 id, __u32 kind) {
  struct task_struct* task = (struct task_struct*)bpf_get_current_task();
  record->key = *key;
  record->id = id;
  record->process_start_ns = BPF_CORE_READ(task, group_leader, start_boottime);
  record->time_ns = bpf_ktime_get_ns();
  record->kind = kind;
  record->zero = 0;
  BPF_CORE_READ_STR_INTO(&record->command, task, group_leader, comm);
}

static __always_inline __u64 wake_flags(void) {
  return bpf_ringbuf_query(&ring, BPF_RB_AVAIL_DATA) >= wake_bytes ? BPF_RB_FORCE_WAKEUP
                                                                   : BPF_RB_NO_WAKEUP;
}

static __always_inline void close_connection(__u64 object) {
  struct skimwatch_connection_key key = key_of(object);
  const struct skimwatch_connection* connection = bpf_map_lookup_elem(&connections, &key);
  if (connection == NULL) return;
  const __u64 id = connection->id;
  const int has_data = connection->position[0] != 0 || connection->position[1] != 0;
  if (has_data) bpf_map_update_elem(&closed, &id, connection, BPF_ANY);
  bpf_map_delete_elem(&connections, &key);
  if (!has_data) return;
  struct skimwatch_record* record = bpf_ringbuf_reserve(&ring, sizeof(*record), 0);
  if (record == NULL) {
    struct skimwatch_probe_counters* count = counted();
    if (count != NULL) count->dropped_records += 1;
    return;
  }
  fill(record, &key, id, SKIMWATCH_RECORD_CLOSE);
  record->position = 0;
  record->bytes = 0;
  record->data_bytes = 0;
  bpf_ringbuf_submit(record, wake_flags());
}

static __always_inline void count_pass(int passed, __u64 bytes) {
  struct skimwatch_probe_counters* count = counted();
  if (count == NULL) return;
  if (passed) {
    count->records += 1;
  } else {
    count->dropped_records += 1;
    count->dropped_bytes += bytes;
  }
}

// What of a call is still to be passed.
struct walk {
  struct skimwatch_connection_key key;
  __u64 id;
  __u64 position;
  __u64 buffer;
  // To be copied, and beyond that to be counted.
  __u64 copy_bytes;
  __u64 count_bytes;
  __u64 kind;
};

// Room in the ring is asked for in a few sizes that the kernel can check.
#define PASS_PIECE(ROOM)                                                                       \
  do {                                                                                         \
    struct skimwatch_record* record = bpf_ringbuf_reserve(&ring, sizeof(*record) + (ROOM), 0); \
    if (record == NULL) return 0;                                                              \
    fill(record, &walk->key, walk->id, walk->kind);                                            \
    record->position = walk->position;                                                         \
    record->bytes = bytes;                                                                     \
    __u64 copied = bytes;                                                                      \
    asm volatile("" : "+r"(copied));                                                           \
    if (copied > (ROOM)) copied = (ROOM);                                                      \
    if (bpf_probe_read_user((void*)(record + 1), copied, (const void*)walk->buffer) != 0) {    \
      copied = 0;                                                                              \
    }                                                                                          \
    record->data_bytes = copied;                                                               \
    bpf_ringbuf_submit(record, wake_flags());                                                             \
    return 1;                                                                                  \
  } while (0)

// 0 when the ring has no room.
static __always_inline int pass_piece(const struct walk* walk, __u64 bytes) {
  if (bytes <= 512) PASS_PIECE(512);
  if (bytes <= 2048) PASS_PIECE(2048);
  if (bytes <= 8192) PASS_PIECE(8192);
  PASS_PIECE(SKIMWATCH_PIECE_BYTES_MAX);
}

// Passes one piece and goes on to the next. A global function, which the kernel checks once and not
// again for every turn of a loop.
__noinline int pass_next(struct walk* walk) {
  if (walk == NULL) return 0;
  const __u64 left = walk->copy_bytes;
  const __u64 piece = left < SKIMWATCH_PIECE_BYTES_MAX ? left : SKIMWATCH_PIECE_BYTES_MAX;
  count_pass(pass_piece(walk, piece), piece);
  walk->position += piece;
  walk->buffer += piece;
  walk->copy_bytes = left - piece;
  return 0;
}

// Tells of bytes that are not copied; what a record can't tell of is left for the next.
__noinline int count_next(struct walk* walk) {
  if (walk == NULL) return 0;
  const __u64 left = walk->count_bytes;
  const __u64 bytes = left < 0xffffffff ? left : 0xffffffff;
  struct skimwatch_record* record = bpf_ringbuf_reserve(&ring, sizeof(*record), 0);
  if (record != NULL) {
    fill(record, &walk->key, walk->id, walk->kind);
    record->position = walk->position;
    record->bytes = bytes;
    record->data_bytes = 0;
    bpf_ringbuf_submit(record, wake_flags());
  }
  count_pass(record != NULL, bytes);
  walk->position += bytes;
  walk->count_bytes = left - bytes;
  return 0;
}

static __always_inline void pass(const struct skimwatch_connection_key* key,
                                 struct skimwatch_connection* connection, __u32 kind, __u64 buffer,
                                 __u64 bytes, int readable) {
  struct walk walk = {.key = *key,
                      .id = connection->id,
                      .position = connection->position[kind & 1],
                      .buffer = buffer,
                      .copy_bytes = 0,
                      .count_bytes = 0,
                      .kind = kind};
  connection->position[kind & 1] += bytes;
  if (readable) walk.copy_bytes = bytes < call_bytes_max ? bytes : call_bytes_max;
  walk.count_bytes = bytes - walk.copy_bytes;
  for (int i = 0; i < SKIMWATCH_PIECES_MAX; ++i) {
    if (walk.copy_bytes == 0) break;
    pass_next(&walk);
  }
  for (int i = 0; i < 4; ++i) {
    if (walk.count_bytes == 0) break;
    count_next(&walk);
  }
}

static __always_inline struct thread_calls* calls_of(__u64 thread) {
  struct thread_calls* known = bpf_map_lookup_elem(&calls, &thread);
  if (known != NULL) return known;
  const __u32 zero = 0;
  const void* template = bpf_map_lookup_elem(&no_calls, &zero);
  if (template == NULL) return NULL;
  bpf_map_update_elem(&calls, &thread, template, BPF_ANY);
  return bpf_map_lookup_elem(&calls, &thread);
}

// The index is masked where the kernel sees it, whatever the compiler knows of it.
static __always_inline struct call* call_at(struct thread_calls* known, __u64 index) {
  asm volatile("" : "+r"(index));
  index &= CALLS_MAX - 1;
  return &known->calls[index];
}

static __always_inline int enter(struct pt_regs* ctx, __u32 kind, __u64 object, __u64 buffer,
                                 __u64 count, __u32 returns_int) {
  const __u64 thread = bpf_get_current_pid_tgid();
  if (!is_watched(thread)) return 0;
  struct thread_calls* known = calls_of(thread);
  if (known == NULL) return 0;
  const __u64 stack = PT_REGS_SP(ctx);
  __u32 depth = known->depth;
  // Calls that were left by a jump or an exception lie below on the stack.
  for (int i = 0; i < CALLS_MAX; ++i) {
    if (depth == 0 || depth > CALLS_MAX) break;
    if (call_at(known, depth - 1)->stack > stack) break;
    depth -= 1;
  }
  if (depth >= CALLS_MAX) depth = 0;
  // A function of the library that calls another one of it.
  for (int i = 0; i < CALLS_MAX; ++i) {
    if (i >= depth) break;
    if (known->calls[i].object == object && kind != CALL_INIT) {
      known->depth = depth;
      return 0;
    }
  }
  struct call* call = call_at(known, depth);
  call->object = object;
  call->buffer = buffer;
  call->count = count;
  call->stack = stack;
  call->kind = kind;
  call->returns_int = returns_int;
  known->depth = depth + 1;
  return 0;
}

// TLS adds at least this to each record, header included: ChaCha20-Poly1305 in TLS 1.2.
#define RECORD_OVERHEAD_MIN 21
// And at most: CBC with SHA-384, padded to a block.
#define RECORD_OVERHEAD_MAX 85

static __always_inline void await_send(struct thread_calls* known,
                                       const struct skimwatch_connection_key* key, __u64 bytes) {
  const __u64 records = (bytes + SKIMWATCH_PIECE_BYTES_MAX - 1) / SKIMWATCH_PIECE_BYTES_MAX;
  if (!known->awaits_send || known->awaiting.object != key->object) {
    known->send_bytes_min = 0;
    known->send_bytes_max = 0;
  }
  known->awaits_send = 1;
  known->awaiting = *key;
  known->send_bytes_min += bytes + records * RECORD_OVERHEAD_MIN;
  known->send_bytes_max += bytes + records * RECORD_OVERHEAD_MAX;
}

SEC("uretprobe")
int tls_return(struct pt_regs* ctx) {
  const __u64 thread = bpf_get_current_pid_tgid();
  struct thread_calls* known = bpf_map_lookup_elem(&calls, &thread);
  if (known == NULL) return 0;
  const __u64 stack = PT_REGS_SP(ctx) - RETURN_POPS;
  struct call call = {};
  int found = 0;
  __u32 depth = known->depth;
  for (int i = 0; i < CALLS_MAX; ++i) {
    if (depth == 0 || depth > CALLS_MAX) break;
    const struct call* top = call_at(known, depth - 1);
    if (top->stack > stack) break;
    depth -= 1;
    if (top->stack == stack) {
      call = *top;
      found = 1;
      break;
    }
  }
  if (!found) {
    // A call within a call of the same connection, or one that began before its probe was there.
    if (depth == 0) {
      struct skimwatch_probe_counters* count = counted();
      if (count != NULL) count->unmatched_returns += 1;
    }
    known->depth = depth;
    return 0;
  }
  known->depth = depth;

  const __s64 result = call.returns_int ? (__s64)(__s32)PT_REGS_RC(ctx) : (__s64)PT_REGS_RC(ctx);
  // What it sent was taken when it was written.
  if (call.kind == CALL_FLUSH) return 0;
  if (call.kind == CALL_INIT) {
    __u64 object = 0;
    if (result != 0 || bpf_probe_read_user(&object, sizeof(object), (void*)call.buffer) != 0) {
      return 0;
    }
    close_connection(object);
    struct skimwatch_connection_key made = key_of(object);
    struct skimwatch_connection* connection = connection_of(&made);
    if (connection != NULL) connection->role = (__u8)call.count;
    return 0;
  }

  struct skimwatch_connection_key key = key_of(call.object);
  __u64 bytes = 0;
  if (result > 0) {
    bytes = result;
    if (call.count != 0 && bpf_probe_read_user(&bytes, sizeof(bytes), (void*)call.count) != 0) {
      return 0;
    }
  }
  if (bytes == 0) {
    // GnuTLS may be given nothing when it is to try again.
    if (call.kind == CALL_WRITE && call.buffer != 0 && !call.returns_int) {
      struct skimwatch_connection* connection = bpf_map_lookup_elem(&connections, &key);
      if (connection != NULL) connection->retried_buffer = call.buffer;
    }
    return 0;
  }
  struct skimwatch_connection* connection = connection_of(&key);
  if (connection == NULL) return 0;
  __u64 buffer = call.buffer;
  if (call.kind == CALL_WRITE && buffer == 0) buffer = connection->retried_buffer;
  const __u32 kind = call.kind == CALL_READ ? SKIMWATCH_RECORD_READ : SKIMWATCH_RECORD_WRITE;
  if (kind == SKIMWATCH_RECORD_WRITE && !connection->has_address) await_send(known, &key, bytes);
  pass(&key, connection, kind, buffer, bytes, call.kind != CALL_SENDFILE && buffer != 0);
  return 0;
}

// int SSL_write(SSL *ssl, const void *buf, int num)
SEC("uprobe")
int ssl_write(struct pt_regs* ctx) {
  return enter(ctx, CALL_WRITE, PT_REGS_PARM1(ctx), PT_REGS_PARM2(ctx), 0, 1);
}

// int SSL_write_ex(SSL *ssl, const void *buf, size_t num, size_t *written)
SEC("uprobe")
int ssl_write_ex(struct pt_regs* ctx) {
  return enter(ctx, CALL_WRITE, PT_REGS_PARM1(ctx), PT_REGS_PARM2(ctx), PT_REGS_PARM4(ctx), 1);
}

// int SSL_write_ex2(SSL *ssl, const void *buf, size_t num, uint64_t flags, size_t *written)
SEC("uprobe")
int ssl_write_ex2(struct pt_regs* ctx) {
  return enter(ctx, CALL_WRITE, PT_REGS_PARM1(ctx), PT_REGS_PARM2(ctx), PT_REGS_PARM5(ctx), 1);
}

// ossl_ssize_t SSL_sendfile(SSL *s, int fd, off_t offset, size_t size, int flags): the kernel reads
// the file and encrypts, so there is nothing to copy.
SEC("uprobe")
int ssl_sendfile(struct pt_regs* ctx) {
  return enter(ctx, CALL_SENDFILE, PT_REGS_PARM1(ctx), 0, 0, 0);
}

// int SSL_read(SSL *ssl, void *buf, int num)
SEC("uprobe")
int ssl_read(struct pt_regs* ctx) {
  return enter(ctx, CALL_READ, PT_REGS_PARM1(ctx), PT_REGS_PARM2(ctx), 0, 1);
}

// int SSL_read_ex(SSL *ssl, void *buf, size_t num, size_t *readbytes)
SEC("uprobe")
int ssl_read_ex(struct pt_regs* ctx) {
  return enter(ctx, CALL_READ, PT_REGS_PARM1(ctx), PT_REGS_PARM2(ctx), PT_REGS_PARM4(ctx), 1);
}

// ssize_t gnutls_record_send(gnutls_session_t session, const void *data, size_t data_size)
SEC("uprobe")
int gnutls_send(struct pt_regs* ctx) {
  return enter(ctx, CALL_WRITE, PT_REGS_PARM1(ctx), PT_REGS_PARM2(ctx), 0, 0);
}

// int gnutls_record_uncork(gnutls_session_t session, unsigned int flags): sends what was written
// since gnutls_record_cork, by calls of gnutls_record_send within it.
SEC("uprobe")
int gnutls_uncork(struct pt_regs* ctx) {
  return enter(ctx, CALL_FLUSH, PT_REGS_PARM1(ctx), 0, 0, 1);
}

// ssize_t gnutls_record_recv(gnutls_session_t session, void *data, size_t data_size)
SEC("uprobe")
int gnutls_receive(struct pt_regs* ctx) {
  return enter(ctx, CALL_READ, PT_REGS_PARM1(ctx), PT_REGS_PARM2(ctx), 0, 0);
}

// int gnutls_init(gnutls_session_t *session, unsigned int flags)
SEC("uprobe")
int gnutls_begin(struct pt_regs* ctx) {
  const __u64 flags = PT_REGS_PARM2(ctx);
  const __u64 role = flags & 1   ? SKIMWATCH_ROLE_SERVER
                     : flags & 2 ? SKIMWATCH_ROLE_CLIENT
                                 : SKIMWATCH_ROLE_UNKNOWN;
  return enter(ctx, CALL_INIT, PT_REGS_PARM1(ctx), PT_REGS_PARM1(ctx), role, 1);
}

static __always_inline int set_role(__u64 object, __u8 role) {
  if (!is_watched(bpf_get_current_pid_tgid())) return 0;
  struct skimwatch_connection_key key = key_of(object);
  struct skimwatch_connection* connection = connection_of(&key);
  if (connection != NULL) connection->role = role;
  return 0;
}

static __always_inline int set_server_name(__u64 object, __u64 name, __u64 name_bytes) {
  if (!is_watched(bpf_get_current_pid_tgid())) return 0;
  struct skimwatch_connection_key key = key_of(object);
  struct skimwatch_connection* connection = connection_of(&key);
  if (connection == NULL) return 0;
  connection->role = SKIMWATCH_ROLE_CLIENT;
  connection->server_name_bytes = 0;
  if (name == 0) return 0;
  if (name_bytes == 0) {
    const long got = bpf_probe_read_user_str(connection->server_name,
                                             sizeof(connection->server_name), (const void*)name);
    if (got > 1) connection->server_name_bytes = got - 1;
    return 0;
  }
  if (name_bytes >= SKIMWATCH_SERVER_NAME_BYTES) return 0;
  name_bytes &= SKIMWATCH_SERVER_NAME_BYTES - 1;
  if (bpf_probe_read_user(connection->server_name, name_bytes, (const void*)name) == 0) {
    connection->server_name_bytes = name_bytes;
  }
  return 0;
}

// long SSL_ctrl(SSL *ssl, int cmd, long larg, void *parg), which SSL_set_tlsext_host_name is of
// OpenSSL.
SEC("uprobe")
int ssl_ctrl(struct pt_regs* ctx) {
  const int set_host_name = 55;
  if ((int)PT_REGS_PARM2(ctx) != set_host_name) return 0;
  return set_server_name(PT_REGS_PARM1(ctx), PT_REGS_PARM4(ctx), 0);
}

// int SSL_set_tlsext_host_name(SSL *ssl, const char *name) of BoringSSL
SEC("uprobe")
int ssl_set_host_name(struct pt_regs* ctx) {
  return set_server_name(PT_REGS_PARM1(ctx), PT_REGS_PARM2(ctx), 0);
}

// int gnutls_server_name_set(gnutls_session_t session, gnutls_server_name_type_t type,
//                            const void *name, size_t name_length)
SEC("uprobe")
int gnutls_set_name(struct pt_regs* ctx) {
  const int dns_name = 1;
  if ((int)PT_REGS_PARM2(ctx) != dns_name || PT_REGS_PARM4(ctx) == 0) return 0;
  return set_server_name(PT_REGS_PARM1(ctx), PT_REGS_PARM3(ctx), PT_REGS_PARM4(ctx));
}

SEC("uprobe")
int ssl_set_connect_state(struct pt_regs* ctx) {
  return set_role(PT_REGS_PARM1(ctx), SKIMWATCH_ROLE_CLIENT);
}

SEC("uprobe")
int ssl_set_accept_state(struct pt_regs* ctx) {
  return set_role(PT_REGS_PARM1(ctx), SKIMWATCH_ROLE_SERVER);
}

// SSL_free and gnutls_deinit; an object that others hold on to is made anew by its next call.
SEC("uprobe")
int tls_free(struct pt_regs* ctx) {
  close_connection(PT_REGS_PARM1(ctx));
  return 0;
}

// SSL *SSL_new(SSL_CTX *ctx): whatever had that address is gone.
SEC("uretprobe")
int ssl_new(struct pt_regs* ctx) {
  close_connection(PT_REGS_RC(ctx));
  return 0;
}

static __always_inline void map_v4(__u8* mapped, __u32 address) {
  __builtin_memset(mapped, 0, 10);
  mapped[10] = 0xff;
  mapped[11] = 0xff;
  __builtin_memcpy(mapped + 12, &address, sizeof(address));
}

static __always_inline void set_address(struct skimwatch_connection_key* key, struct sock* socket) {
  struct skimwatch_connection* connection = bpf_map_lookup_elem(&connections, key);
  // A call may have sent before its connection was made.
  if (connection == NULL) connection = connection_of(key);
  if (connection == NULL || connection->has_address) return;
  const unsigned short family = BPF_CORE_READ(socket, __sk_common.skc_family);
  if (family == AF_INET) {
    map_v4(connection->local_ip, BPF_CORE_READ(socket, __sk_common.skc_rcv_saddr));
    map_v4(connection->remote_ip, BPF_CORE_READ(socket, __sk_common.skc_daddr));
  } else if (family == AF_INET6) {
    bpf_core_read(connection->local_ip, sizeof(connection->local_ip),
                  &socket->__sk_common.skc_v6_rcv_saddr);
    bpf_core_read(connection->remote_ip, sizeof(connection->remote_ip),
                  &socket->__sk_common.skc_v6_daddr);
  } else {
    return;
  }
  // Not skc_num, which is 0 as soon as the other end has reset the connection.
  connection->local_port = __builtin_bswap16(BPF_CORE_READ((struct inet_sock*)socket, inet_sport));
  connection->remote_port = __builtin_bswap16(BPF_CORE_READ(socket, __sk_common.skc_dport));
  connection->has_address = 1;
  struct skimwatch_probe_counters* count = counted();
  if (count != NULL) count->addresses += 1;
}

// The calls that the thread is in use that socket.
static __always_inline void show_socket(struct thread_calls* known, struct sock* socket) {
  for (int i = 0; i < CALLS_MAX; ++i) {
    if (i >= known->depth) break;
    if (known->calls[i].kind == CALL_INIT) continue;
    struct skimwatch_connection_key key = key_of(known->calls[i].object);
    set_address(&key, socket);
  }
}

// The thread sent `bytes` on a socket, or failed to.
static __always_inline int sent(struct sock* socket, __s64 bytes) {
  const __u64 thread = bpf_get_current_pid_tgid();
  struct thread_calls* known = bpf_map_lookup_elem(&calls, &thread);
  if (known == NULL || (known->depth == 0 && !known->awaits_send)) return 0;
  if (BPF_CORE_READ(socket, sk_protocol) != IPPROTO_TCP) return 0;
  if (known->depth == 0) {
    known->awaits_send = 0;
    if (bytes > 0 && (__u64)bytes >= known->send_bytes_min &&
        (__u64)bytes <= known->send_bytes_max) {
      struct skimwatch_connection_key key = known->awaiting;
      set_address(&key, socket);
    }
    return 0;
  }
  show_socket(known, socket);
  return 0;
}

// sock_send_length(struct sock *sk, int ret, int flags), Linux 6.3 and later
SEC("raw_tp/sock_send_length")
int socket_sent(struct bpf_raw_tracepoint_args* ctx) {
  return sent((struct sock*)ctx->args[0], (int)ctx->args[1]);
}

// sock_recv_length(struct sock *sk, int ret, int flags): for programs that only receive.
SEC("raw_tp/sock_recv_length")
int socket_received(struct bpf_raw_tracepoint_args* ctx) {
  const __u64 thread = bpf_get_current_pid_tgid();
  struct thread_calls* known = bpf_map_lookup_elem(&calls, &thread);
  if (known == NULL || known->depth == 0) return 0;
  struct sock* socket = (struct sock*)ctx->args[0];
  if (BPF_CORE_READ(socket, sk_protocol) != IPPROTO_TCP) return 0;
  show_socket(known, socket);
  return 0;
}

// int tcp_sendmsg(struct sock *sk, struct msghdr *msg, size_t size), for kernels without the above:
// the size is what was asked for.
SEC("kprobe")
int tcp_send(struct pt_regs* ctx) {
  return sent((struct sock*)PT_REGS_PARM1(ctx), (__s64)PT_REGS_PARM3(ctx));
}

// Run by the agent: writes zeros over one piece of the ring's free room, and gives it back.
SEC("raw_tp")
int wipe_piece(void* ctx) {
  const __u32 zero = 0;
  const void* nothing = bpf_map_lookup_elem(&zeros, &zero);
  if (nothing == NULL) return 0;
  void* room = bpf_ringbuf_reserve(&ring, SKIMWATCH_PIECE_BYTES_MAX, 0);
  if (room == NULL) return 0;
  bpf_probe_read_kernel(room, SKIMWATCH_PIECE_BYTES_MAX, nothing);
  bpf_ringbuf_discard(room, BPF_RB_NO_WAKEUP);
  return 1;
}
