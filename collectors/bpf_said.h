/* What libbpf says, kept instead of printed: its callback knows no context, so the place is one a thread. */
#ifndef COLLECTORS_BPF_SAID_H
#define COLLECTORS_BPF_SAID_H

/* From now on this thread's messages are kept; others' are thrown away. Forgets what was kept. */
void bpf_said_begin(void);
/* The last warning since, or "". Valid until the next of this thread. */
const char *bpf_said(void);

#endif
