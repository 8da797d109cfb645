import { formatId } from '@posthorn/clock/id.js';
import { z } from 'zod';
import { type PersonStep } from '../application/explain-person.js';
import { type ToldErasure } from '../application/read-erasure.js';
import { authenticity, authenticityOf, restingOn } from './events.dto.js';
import { proof } from './receipts.dto.js';
import { channel, idOf, textOf, time, timeAt, timeOf } from './shapes.dto.js';
import { address, suppression } from './suppressions.dto.js';

/** As many as compliance links with one person. */
const LINKED_MAX = 31;

export const lookup = z.strictObject({
  address,
  channel: channel
    .optional()
    .describe(
      'what stops messages on this channel: suppressions of it and of `all`; absent: of every channel. Who is at an address does not depend on it: a number is the same person by SMS and by chat',
    ),
});
export const linkPersons = z
  .strictObject({
    addresses: z.array(address).max(LINKED_MAX).default([]),
    personIds: z.array(idOf('per')).max(LINKED_MAX).default([]),
  })
  .refine(({ addresses, personIds }) => addresses.length + personIds.length > 0, {
    path: ['addresses'],
    message: 'at least one address or person must be given',
  });

export const person = z.object({
  id: z.string().describe('there for every address, known or not'),
  linkedPersonIds: z.array(z.string()),
  suppressions: z.array(suppression).describe('in force'),
});
export const linked = z.object({ personIds: z.array(z.string()) });

const receipt = z.object({
  type: z.literal('person_erasure'),
  tenantId: z.string(),
  id: z.string(),
  personIds: z.array(z.string()).describe('all that are linked; their data went, too'),
  requestedAt: time,
  completedAt: time
    .nullable()
    .describe('null: the log is large and goes on; see GET …/erasures/{id} for the final receipt'),
  open: z.array(z.string()).describe('services that are not done; their counts are not final'),
  erased: z.array(z.object({ service: z.string(), table: z.string(), rows: z.number() })),
});
export const erasureReceipt = z.object({
  receipt,
  ...proof,
  auditId: z.string().describe('the entry of the audit log that has this hash'),
});
export const erasure = z.object({
  id: z.string(),
  requestedAt: time,
  completedAt: time.nullable(),
  erased: z
    .array(z.object({ table: z.string(), rows: z.number() }))
    .describe('of the log; final when it is complete'),
  receipt: receipt.describe('final once nothing of it is open'),
  ...proof,
  auditId: z.string().nullable().describe('the entry written when the other services had answered'),
});

const change = z.object({ from: z.string().nullable(), to: z.string().nullable() });
export const personStep = z.object({
  at: time,
  kind: z.enum(['event', 'signal', 'suppressed', 'lifted', 'decision', 'permit_closed', 'linked', 'send']),
  what: z
    .string()
    .describe('type of the event, kind of signal, reason, decision, outcome, or state of the send'),
  id: z.string().describe('of the event, suppression, decision or message'),
  personId: z.string().nullable().describe('which of the linked ones'),
  channel: z.string().nullable(),
  rule: z.string().nullable().describe('that decided; the scope of a suppression; the program of a consent'),
  detail: z.string().nullable(),
  eventId: z.string().nullable(),
  messageId: z.string().nullable(),
  conversationId: z.string().nullable(),
  sourceId: z.string().nullable(),
  actorId: z.string().nullable(),
  message: change.nullable().describe("what it did to the message's state"),
  conversation: change.nullable().describe("what it did to the conversation's state"),
  ...authenticity,
});

type Shown = z.infer<typeof personStep>;
const NOTHING = {
  ...{ personId: null, channel: null, rule: null, detail: null, eventId: null, messageId: null },
  ...{ conversationId: null, sourceId: null, actorId: null, message: null, conversation: null },
  ...authenticityOf({}),
};

/** How far an erasure is, as the API shows it. */
export const erasureOf = ({ log, receipt: told, ...signed }: ToldErasure) => ({
  id: formatId('req', log.id),
  requestedAt: timeAt(log.requestedAtMs),
  completedAt: timeOf(log.completedAtMs),
  erased: log.erased.map(({ table, rows }) => ({ table, rows: Number(rows) })),
  ...{ receipt: told, ...signed },
});

/** A step of a person's story as the API shows it. */
export function personStepOf(step: PersonStep): Shown {
  const at = timeAt(step.atMs);
  switch (step.kind) {
    case 'event':
      return { ...NOTHING, at, kind: 'event', ...eventShown(step.event) };
    case 'compliance':
      return { ...NOTHING, at, kind: step.entry.kind as 'signal', ...entryShown(step.entry) };
    case 'send':
      return { ...NOTHING, at, kind: 'send', ...sendShown(step.command) };
  }
}

const eventShown = (event: Extract<PersonStep, { kind: 'event' }>['event']) => ({
  ...{ what: event.type, id: event.eventId, eventId: event.eventId },
  personId: event.personHash.length === 0 ? null : formatId('per', event.personHash),
  channel: textOf(event.channel),
  detail: textOf([event.signal, event.errorCode, event.note].filter((text) => text !== '').join(', ')),
  messageId: textOf(event.messageId),
  conversationId: textOf(event.conversationId),
  sourceId: textOf(event.sourceId),
  message: changeOf(event.fromState, event.toState),
  conversation: changeOf(event.conversationFromState, event.conversationToState),
  ...authenticityOf(event),
});

const entryShown = (entry: Extract<PersonStep, { kind: 'compliance' }>['entry']) => ({
  ...{ what: entry.what, id: entry.id, personId: entry.personId },
  channel: textOf(entry.channel),
  rule: textOf(entry.rule),
  detail: textOf(entry.detail),
  eventId: textOf(entry.eventId),
  messageId: textOf(entry.messageId),
  actorId: textOf(entry.actorId),
  ...restingOn(entry),
});

const sendShown = (command: Extract<PersonStep, { kind: 'send' }>['command']) => ({
  ...{ what: command.state, id: command.id, messageId: command.id, channel: command.channel },
  personId: command.personHash === '' ? null : formatId('per', Buffer.from(command.personHash, 'hex')),
  rule: textOf(command.decisionRule),
  detail: textOf(command.decisionDetail || command.detail),
  conversationId: textOf(command.conversationId),
  sourceId: textOf(command.sourceId),
  eventId: textOf(command.triggerEventId),
});

const changeOf = (from: string, to: string): Shown['message'] =>
  from === '' && to === '' ? null : { from: textOf(from), to: textOf(to) };
