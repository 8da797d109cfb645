import { createHash } from 'node:crypto';
import { z } from 'zod';
import { HANDOFF_TYPE, handoffEvent } from './handoff-event.js';
import { atPointer, isJsonPointer, textAt } from './json-pointer.js';
import { messageReference } from './message-reference.js';
import { keywordSignal } from './opt-out-keywords.js';
import type { ProviderRequest } from './provider-request.js';
import {
  distinctEvents,
  EVENTS_PER_REQUEST_MAX,
  identifier,
  MESSAGE_STATES,
  providerEvent,
  unrecognizedEvent,
  type Channel,
  type MessageState,
  type ProviderEvent,
} from './provider.js';
import { parseTimestamp, TIMESTAMP_FORMATS } from './timestamp.js';

const pointer = (what: string) =>
  z
    .string()
    .max(512)
    .refine(isJsonPointer, 'expected a JSON Pointer (RFC 6901)')
    .describe(`Where ${what} is, as JSON Pointer`);

const SCHEMA_LENGTH_MAX = 16_384;
/** What is too deep to be written is too large as well. */
function isShort(schema: object): boolean {
  try {
    return JSON.stringify(schema).length <= SCHEMA_LENGTH_MAX;
  } catch {
    return false;
  }
}

/** Where a general scheme's JSON says what. The defaults are the shape of our own outgoing webhooks. */
export const POINTER_SETTINGS = {
  idPointer: pointer("the sender's event ID").optional(),
  typePointer: pointer('the event type').default('/type'),
  subjectPointer: pointer("the sender's message ID").default('/data/messageId'),
  occurredAtPointer: pointer('the time it happened').default('/timestamp'),
  occurredAtFormat: z.enum(TIMESTAMP_FORMATS).default('rfc3339'),
  channelPointer: pointer('the channel').default('/data/channel'),
  fromPointer: pointer("the sender's address").default('/data/from'),
  toPointer: pointer("the recipient's address").default('/data/to'),
  textPointer: pointer('the text').default('/data/text'),
  replyToPointer: pointer('the ID of the message that a received one answers').default('/data/replyTo'),
  campaignPointer: pointer('the campaign').default('/data/campaign'),
  referencePointer: pointer('our own ID (`msg_…`) of a message that we sent').default(
    '/data/posthorn_message_id',
  ),
  errorCodePointer: pointer('the error code').default('/data/errorCode'),
  contactPointer: pointer("the contact's address in a bot's hand-off").default('/data/contact'),
  oursPointer: pointer('our own address in a hand-off').default('/data/ours'),
  reasonPointer: pointer('the reason of a hand-off').default('/data/reason'),
  contextPointer: pointer('the context of a hand-off').default('/data/context'),
  queuePointer: pointer('the queue that a hand-off asks for').default('/data/queue'),
  priorityPointer: pointer('the priority of a hand-off').default('/data/priority'),
  jsonSchema: z
    .record(z.string(), z.unknown())
    .refine((schema) => isShort(schema), 'expected a smaller schema')
    .optional()
    .describe(
      'JSON Schema (2020-12) that bodies must fit; without patterns, uniqueItems, and references outside of $defs',
    ),
  schemaFailure: z
    .enum(['quarantine', 'refuse'])
    .default('quarantine')
    .describe(
      'Of a body that does not fit: store it as not understood, in quarantine, or refuse it with 422',
    ),
};
export type PointerSettings = z.output<z.ZodObject<typeof POINTER_SETTINGS>>;

const CHANNELS = new Set<string>(['sms', 'email', 'chat', 'push'] satisfies Channel[]);
const LABEL_MAX = 128;

/** The step of a general scheme's page that says which bodies are understood. */
export const BODIES_STEP =
  'Let it post [what is understood](../posting-events.md): `message.<state>`, and `conversation.handoff` of a bot.';

/** What a request says about itself beside its body: its sameness, and its ID and type where it has them. */
export interface RequestIdentity {
  readonly key: string;
  readonly eventId: string;
  /** Stands in where an item has no type of its own. */
  readonly type?: string;
}

/** The identity of a request with an ID of its own. */
export const identityOf = (eventId: string): RequestIdentity => ({ key: `id:${eventId}`, eventId });

/**
 * The identity of a request without an ID: the hash of its body, beside what else is signed (a timestamp).
 * Why not unique per request: a captured request could then be replayed without limit.
 */
export const identityOfBody = (body: Buffer, ...beside: readonly string[]): RequestIdentity => ({
  key: `body:${createHash('sha256').update(body).digest('hex')}${beside.map((text) => `:${text}`).join('')}`,
  eventId: '',
});

/**
 * The events of a general scheme's JSON body. An array is a batch: each element is an event of its own.
 * @param identity stands in where an item has no ID of its own.
 * Types of the closed list (`message.delivered`) and `conversation.handoff` become such events; any other type is
 * kept as `event.unrecognized` with the sender's type beside it.
 */
export function genericEvents(
  request: ProviderRequest,
  settings: PointerSettings,
  identity: RequestIdentity,
): readonly ProviderEvent[] {
  const json = request.json();
  if (!json.isJson)
    return [unrecognizedEvent(identity.key, 'the body is not JSON', { providerEventId: identity.eventId })];
  if (!Array.isArray(json.value)) return [genericEvent(json.value, settings, identity)];
  const items = json.value as unknown[];
  if (items.length === 0 || items.length > EVENTS_PER_REQUEST_MAX)
    return [
      unrecognizedEvent(identity.key, `a batch of ${items.length} items`, {
        providerEventId: identity.eventId,
      }),
    ];
  return distinctEvents(
    items.map((item, index) =>
      genericEvent(item, settings, { ...identity, key: `${identity.key}:${index}` }),
    ),
  );
}

function genericEvent(item: unknown, settings: PointerSettings, identity: RequestIdentity): ProviderEvent {
  const text = (at: string | undefined): string => (at === undefined ? '' : (textAt(item, at) ?? ''));
  const id = identifier(text(settings.idPointer));
  const type = text(settings.typePointer) || (identity.type ?? '');
  const occurredAt = text(settings.occurredAtPointer);
  const known = {
    dedupKey: id === undefined ? identity.key : `id:${id}`,
    providerEventId: id ?? identity.eventId,
    providerType: label(type),
    occurredAtMs: occurredAt === '' ? undefined : parseTimestamp(occurredAt, settings.occurredAtFormat),
  };
  if (type === HANDOFF_TYPE)
    return handoffEvent(
      {
        channel: channelOf(text(settings.channelPointer)),
        contact: text(settings.contactPointer),
        ours: text(settings.oursPointer),
        reason: text(settings.reasonPointer),
        context: atPointer(item, settings.contextPointer),
        queue: text(settings.queuePointer),
        priority: text(settings.priorityPointer),
      },
      known,
    );
  const state = stateOf(type);
  const providerMessageId = identifier(text(settings.subjectPointer));
  if (state === undefined) return unrecognizedEvent(known.dedupKey, 'unknown type', known);
  // What we sent is known by our own ID too, also to who never learned the sender's.
  const reference = state === 'received' ? '' : messageReference(text(settings.referencePointer));
  if (providerMessageId === undefined && reference === '')
    return unrecognizedEvent(known.dedupKey, 'no message ID', known);
  return messageEvent(state, { providerMessageId, reference }, known, text, settings);
}

function messageEvent(
  state: MessageState,
  { providerMessageId = '', reference }: { readonly providerMessageId?: string; readonly reference: string },
  known: Pick<ProviderEvent, 'dedupKey' | 'providerEventId' | 'providerType' | 'occurredAtMs'>,
  text: (at: string | undefined) => string,
  settings: PointerSettings,
): ProviderEvent {
  const isInbound = state === 'received';
  const [from, to, body] = [text(settings.fromPointer), text(settings.toPointer), text(settings.textPointer)];
  return providerEvent({
    dedupKey: known.dedupKey,
    providerEventId: known.providerEventId,
    providerType: known.providerType,
    occurredAtMs: known.occurredAtMs,
    type: `message.${state}`,
    providerMessageId,
    messageReference: reference,
    channel: channelOf(text(settings.channelPointer)),
    direction: isInbound ? 'inbound' : 'outbound',
    status: state,
    providerStatus: state,
    errorCode: label(text(settings.errorCodePointer)),
    campaign: label(text(settings.campaignPointer)),
    replyTo: isInbound ? (identifier(text(settings.replyToPointer)) ?? '') : '',
    signal: (isInbound ? keywordSignal(body) : undefined) ?? '',
    person: isInbound ? from : to,
    ours: isInbound ? to : from,
    content:
      from === '' && to === '' && body === ''
        ? undefined
        : { from, to, text: body, subject: '', mediaUrls: [] },
  });
}

const channelOf = (text: string): Channel | '' => (CHANNELS.has(text) ? (text as Channel) : '');

function stateOf(type: string): MessageState | undefined {
  if (!type.startsWith('message.')) return undefined;
  const state = type.slice('message.'.length) as MessageState;
  return MESSAGE_STATES.includes(state) ? state : undefined;
}

const label = (text: string): string => identifier(text)?.slice(0, LABEL_MAX) ?? '';
