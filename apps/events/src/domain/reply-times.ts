import type { ConversationRecord } from './conversation.js';
import { nameOfConversation } from './conversation-book.js';

/**
 * How long persons waited for the replies that came with a batch: from the last message of the person to the first one
 * that was sent after it.
 * @param before the conversations as they were. @param after those that changed. @returns milliseconds, one per reply.
 */
export function replyTimes(
  before: readonly ConversationRecord[],
  after: readonly ConversationRecord[],
): number[] {
  const known = new Map(before.map((record) => [nameOfConversation(record), record]));
  return after.flatMap((record) => {
    const { lastInboundAtMs, lastOutbound } = record;
    if (lastOutbound === undefined || lastInboundAtMs === 0 || lastOutbound.atMs < lastInboundAtMs) return [];
    const former = known.get(nameOfConversation(record))?.lastOutbound;
    // It had its reply already: this one says something more.
    if (former !== undefined && former.atMs >= lastInboundAtMs) return [];
    return [lastOutbound.atMs - lastInboundAtMs];
  });
}
