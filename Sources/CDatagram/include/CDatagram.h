// UDP datagrams in batches: recvmmsg(2) and sendmmsg(2), which Glibc's Swift overlay does not have (_GNU_SOURCE).
#ifndef CDATAGRAM_H
#define CDATAGRAM_H

#include <stdint.h>

// Datagrams in one batch.
#define CDATAGRAM_SLOTS 64
// Bytes that a slot has room for; longer datagrams are cut.
#define CDATAGRAM_BYTES 1536

// Slots for datagrams, their peers and the local addresses that they came to.
struct CDatagramBatch;

// A batch of its own memory; NULL: none is left.
struct CDatagramBatch *CDatagram_make(void);
void CDatagram_free(struct CDatagramBatch *batch);

// A UDP socket that does not block, bound to an address of 4 or 16 bytes and a port in host byte order; one on :: takes
// IPv4 as well. It tells which local address a datagram came to. Returns the descriptor, or -errno.
int CDatagram_open(const uint8_t *address, unsigned addressBytes, uint16_t port, int receiveBufferBytes);
// The port that a socket is bound to, in host byte order, or -errno.
int CDatagram_port(int descriptor);

// Receives into the slots from 0 on, without waiting. Returns how many, or -errno.
int CDatagram_receive(struct CDatagramBatch *batch, int descriptor);
// Sends those of the first `count` slots whose length is not 0 to the peers they came from, from the local address that
// they came to. What the kernel does not take now is lost. Returns how many were sent.
int CDatagram_answer(struct CDatagramBatch *batch, int descriptor, int count);

// The slot's memory: CDATAGRAM_BYTES bytes.
uint8_t *CDatagram_bytes(struct CDatagramBatch *batch, int slot);
unsigned CDatagram_length(const struct CDatagramBatch *batch, int slot);
void CDatagram_setLength(struct CDatagramBatch *batch, int slot, unsigned length);
// Writes the peer's address to `address` (16 bytes of room) and its port, in host byte order, to `port`. A v4-mapped
// address becomes IPv4. Returns 4 or 16, the bytes of the address, or 0 for another family.
unsigned CDatagram_peer(const struct CDatagramBatch *batch, int slot, uint8_t *address, uint16_t *port);

#endif
