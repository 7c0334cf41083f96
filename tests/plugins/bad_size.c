/* Says that it has more bytes than the file holds: refused before they are looked at. */
#include <culprit/collector.h>

extern const struct culprit_plugin culprit_plugin;
CULPRIT_EXPORT const struct culprit_plugin culprit_plugin = {
	.size = sizeof(struct culprit_plugin) + 64,
	.abi = CULPRIT_ABI_VERSION,
	.ncollectors = 1,
};
