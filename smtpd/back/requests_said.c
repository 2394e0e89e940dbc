#include "requests_said.h"

#include "delivery_result.h"

#include <string.h>

void requests_said(struct back *back, enum verdict verdict)
{
    char *text = back->message.text;

    if (!verdict_is_said(verdict))
        return;
    size_t len = verdict_is_of_milter(verdict)
                     ? milter_outcome_said(&back->milters.outcome, text)
                     : hop_outcome_said(&back->delivery.refusal.outcome, text);
    text[len] = '\n';
    back->message.type = WALL_SAID;
    back_answer_text(back, len + 1);
}

/* Where they would be too long, the front has replies of its own. */
void requests_said_results(struct back *back, const struct wall_result *result)
{
    char line[MILTER_SAID_MAX + 1], *text = back->message.text;
    size_t len = 0;

    for (uint32_t part = 0; part < result->count; part++) {
        if (!verdict_is_said(result->codes[part]))
            continue;
        size_t line_len = delivery_said(&back->delivery, part, line);
        if (line_len + result->count <= sizeof back->message.text - len)
            len = (size_t)((char *)mempcpy(text + len, line, line_len) - text);
        text[len++] = '\n';
    }
    back->message.type = WALL_SAID;
    if (len > 0)
        back_answer_text(back, len);
}
