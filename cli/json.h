/* Text as JSON, for all verbs that write it. */
#ifndef CLI_JSON_H
#define CLI_JSON_H

#include <stdio.h>
#include <stdint.h>

/* Valid UTF-8 as a JSON string. What a terminal never shows as itself is written as \u: the same to a parser. Any other
 * bytes go through text_sanitise(TEXT_DATA) first. */
void json_string(FILE *, const char *text, size_t n);

#endif
