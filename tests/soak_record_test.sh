#!/bin/sh
# The soak of the recorder, scaled down: 6,000 ticks into 4 MB. `make soak` runs 1,000,000.
cd "$(dirname "$0")/.." || exit 1
exec "${B:-build}/soak/soak_record" 0 6000 4194304
