/* The words of the command that is being done. */
#include <stdlib.h>
#include <string.h>

#include "load.h"

char line[MAX_LINE];
char body[MAX_BODY];
double patience_seconds;

const char *option(const char *name, const char *otherwise) {
    size_t length = strlen(name);
    for (char *at = line + strlen(line) + 1; *at; at += strlen(at) + 1)
        if (!strncmp(at, name, length) && at[length] == '=') return strdup(at + length + 1);
    return otherwise;
}

double number(const char *name, double otherwise) {
    const char *text = option(name, NULL);
    return text ? atof(text) : otherwise;
}
