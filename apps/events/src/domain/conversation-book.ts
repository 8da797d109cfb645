import { newConversation, type ConversationRecord } from './conversation.js';
import type { LoggedEvent } from './project-event.js';

/** What names a conversation. */
export type ConversationKey = Pick<ConversationRecord, 'tenantId' | 'conversationId'>;

export const nameOfConversation = ({ tenantId, conversationId }: ConversationKey): string =>
  `${tenantId.toString('latin1')}${conversationId.toString('latin1')}`;

/** The conversations of one batch. */
export class ConversationBook {
  private readonly found = new Map<string, ConversationRecord>();
  private readonly records = new Map<string, ConversationRecord>();
  private readonly asked: ReadonlySet<string>;

  /** @param asked every conversation that the batch may touch. @param found those of them that exist. */
  constructor(asked: readonly ConversationKey[], found: readonly ConversationRecord[]) {
    this.asked = new Set(asked.map(nameOfConversation));
    for (const record of found) this.found.set(nameOfConversation(record), record);
  }

  /** The conversation, new when there is none yet. */
  get(event: LoggedEvent, conversationId: Buffer, channel: string, personHash: Buffer | undefined) {
    const { tenantId } = event;
    const name = nameOfConversation({ tenantId, conversationId });
    // Whatever was not looked for would be taken for new, and never be written.
    if (!this.asked.has(name)) throw new Error('a conversation that was not asked for');
    const known = this.records.get(name) ?? this.found.get(name);
    if (known === undefined)
      return newConversation({
        tenantId,
        conversationId,
        channel,
        personHash,
        createdAtMs: event.receivedAtMs,
      });
    if (known.channel !== '' && known.personHash !== undefined) return known;
    return { ...known, channel: known.channel || channel, personHash: known.personHash ?? personHash };
  }

  /** As it is now; undefined when there is none, or it was not asked for. */
  peek(key: ConversationKey): ConversationRecord | undefined {
    const name = nameOfConversation(key);
    return this.records.get(name) ?? this.found.get(name);
  }

  set(record: ConversationRecord): void {
    this.records.set(nameOfConversation(record), record);
  }

  changes(): { created: ConversationRecord[]; changed: ConversationRecord[] } {
    const [created, changed]: [ConversationRecord[], ConversationRecord[]] = [[], []];
    for (const [name, record] of this.records) {
      const before = this.found.get(name);
      if (before === undefined) created.push(record);
      else if (before !== record) changed.push(record);
    }
    return { created, changed };
  }
}
