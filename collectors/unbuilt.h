/* What a build without programs for the kernel (BPF=0) says of what it does not have. */
#ifndef COLLECTORS_UNBUILT_H
#define COLLECTORS_UNBUILT_H

#define UNBUILT_WHY "this build loads nothing into the kernel: it was made with BPF=0; plain `make` makes one that does"

#endif
