/* Built for an ABI that does not exist yet: refused. */
#include <culprit/collector.h>

extern const struct culprit_plugin culprit_plugin;
CULPRIT_EXPORT const struct culprit_plugin culprit_plugin = {
	.size = sizeof(struct culprit_plugin),
	.abi = CULPRIT_ABI_VERSION + 1,
	.ncollectors = 1,
};
