import { randomBytes } from 'node:crypto';
import { newUuid } from '@posthorn/clock/id.js';
import type { ConversationRecord } from '../src/domain/conversation.js';
import type { EventAttributes } from '../src/domain/intake.js';
import { Batch, type BatchProjection, type LaneCursor } from '../src/domain/project-batch.js';
import type { LoggedEvent, MessageRecord } from '../src/domain/project-event.js';
import type { RuleAction, RuleDefinition, RuleVersion } from '../src/domain/rule.js';
import { attributesOf } from './intake.builder.js';

/** When it happens, in tests that ask no clock. */
export const NOW_MS = 1_700_000_000_000;
export const [TENANT, SOURCE, CONVERSATION, PERSON] = [newUuid(1), newUuid(2), newUuid(3), newUuid(4)];
const CURSOR: LaneCursor = { shard: 1, xid: 0n, position: 0n, headSequence: 0n };
let position = 0n;

export const loggedEvent = (
  type: string,
  attributes: Partial<EventAttributes> = {},
  over: Partial<LoggedEvent> = {},
): LoggedEvent => ({
  shard: 1,
  xid: 10n,
  position: (position += 1n),
  eventId: newUuid(NOW_MS),
  tenantId: TENANT,
  sourceId: SOURCE,
  type,
  provider: 'twilio',
  personHash: PERSON,
  occurredAtMs: 0,
  receivedAtMs: NOW_MS,
  storedAtMs: NOW_MS,
  traceparent: '',
  attributes: attributesOf({ status: '', conversationHash: CONVERSATION, ...attributes }),
  ...over,
});

/** A message that came in. */
export const reply = (
  attributes: Partial<EventAttributes> = {},
  over: Partial<LoggedEvent> = {},
): LoggedEvent =>
  loggedEvent(
    'message.received',
    {
      direction: 'inbound',
      status: 'received',
      providerMessageId: `IN${randomBytes(6).toString('hex')}`,
      campaign: 'spring-1',
      ...attributes,
    },
    over,
  );

export const tagging: RuleAction = { kind: 'tag', tag: 'warm', target: 'conversation' };
export const sending = (text: string): RuleAction => ({
  ...{ kind: 'send', sourceId: '', category: 'transactional', text, subject: '', templateName: '' },
  ...{ templateLanguage: '', templateParameters: [], campaign: '', program: '' },
});

export const ruleVersion = (
  definition: Partial<RuleDefinition> = {},
  over: Partial<RuleVersion> = {},
): RuleVersion => ({
  tenantId: TENANT,
  ruleId: newUuid(NOW_MS),
  version: 1,
  effectiveAtMs: 0,
  definition: { types: ['message.received'], expression: '', once: 'event', action: tagging, ...definition },
  ...over,
});

/** What the store would hold of one tenant, without a store: rows by their ID. */
export class RowsInMemory {
  private readonly messages = new Map<string, MessageRecord>();
  private readonly conversations = new Map<string, ConversationRecord>();

  /** Projects one batch, all of it watched. */
  project(events: readonly LoggedEvent[]): BatchProjection {
    const batch = new Batch(events, new Map(), () => true);
    const messages = [...this.messages.values()].filter(
      (record) =>
        batch.keys.some(({ providerMessageId }) => providerMessageId === record.providerMessageId) ||
        batch.ids.some(({ messageId }) => messageId.equals(record.messageId)),
    );
    const conversations = batch
      .conversationKeys(messages)
      .flatMap(({ conversationId }) => this.conversations.get(conversationId.toString('hex')) ?? []);
    const result = batch.project({ messages, conversations, cursors: new Map([[1, CURSOR]]) }, newUuid);
    for (const { from } of result.merged) this.messages.delete(from.toString('hex'));
    for (const record of [...result.created, ...result.changed])
      this.messages.set(record.messageId.toString('hex'), record);
    for (const record of [...result.conversations.created, ...result.conversations.changed])
      this.conversations.set(record.conversationId.toString('hex'), record);
    return result;
  }
}
