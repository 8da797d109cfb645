import { formatId, idOfUuid, uuidBytes, uuidOfId, uuidTimeMs, type IdPrefix } from '@posthorn/clock/id.js';
import {
  type Event,
  type Message,
  type TimelineEntry,
} from '@posthorn/contracts/posthorn/events/v1/events.js';
import { AppError } from '@posthorn/errors/app-error.js';
import { decodeCursor, encodeCursor } from '@posthorn/postgres/cursor.js';
import { NO_SOURCE, unauthenticCauseOf } from '../domain/intake.js';
import { timelineOf, type StageEntry } from '../domain/timeline.js';
import { type EventRecord } from '../persistence/event.read.js';
import { type MessageView } from '../persistence/message.read.js';

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/** A public ID that must be there. @throws AppError with the code given. */
export function uuidOr(
  prefix: IdPrefix,
  id: string,
  code:
    | 'event.not_found'
    | 'message.not_found'
    | 'tenant.not_found'
    | 'conversation.not_found'
    | 'handoff.not_found'
    | 'source.not_found'
    | 'request.not_found',
): string {
  const uuid = uuidOfId(prefix, id);
  if (uuid === undefined) throw new AppError(code);
  return uuid;
}

/** A public ID in a filter; empty stays empty. An ID of another kind matches nothing. */
export function filterUuid(prefix: IdPrefix, id: string): string {
  return id === '' ? '' : (uuidOfId(prefix, id) ?? NOTHING);
}
const NOTHING = 'ffffffff-ffff-ffff-ffff-ffffffffffff';

/** The ID in a cursor; undefined for the first page. @throws AppError `request.invalid` */
export function afterOf(cursor: string): string | undefined {
  if (cursor === '') return undefined;
  const [id] = decodeCursor(cursor, 1);
  if (!UUID.test(id!))
    throw new AppError('request.invalid', {
      fields: [{ path: 'query.cursor', message: 'must be the next_cursor of an earlier answer' }],
    });
  return id;
}

export const cursorOf = (next: string | undefined): string =>
  next === undefined ? '' : encodeCursor([next]);

export const publicId = (prefix: IdPrefix, uuid: string | undefined): string =>
  uuid === undefined ? '' : idOfUuid(prefix, uuid);

export const sourceIdOf = (uuid: string): string =>
  uuidBytes(uuid).equals(NO_SOURCE) ? '' : idOfUuid('src', uuid);

export function eventOf(record: EventRecord): Event {
  const { attributes } = record;
  return {
    id: idOfUuid('evt', record.eventId),
    type: record.type,
    sourceId: sourceIdOf(record.sourceId),
    provider: record.provider,
    channel: attributes.channel,
    providerEventId: record.providerEventId,
    providerMessageId: attributes.providerMessageId,
    messageId: publicId('msg', record.transition?.messageId),
    conversationId: publicId('cnv', record.conversationId),
    occurredAtMs: record.occurredAtMs,
    receivedAtMs: record.receivedAtMs,
    state: record.state,
    correlationId: publicId('req', record.requestId),
    secretId: publicId('sec', record.secretId),
    signal: attributes.signal,
    status: attributes.status,
    originalId: originalIdOf(record),
    unauthenticCause: unauthenticCauseOf(attributes),
  };
}

/** Of a source's events: those of our own services name what they followed from otherwise. */
const originalIdOf = ({ sourceId, attributes: { causedBy } }: EventRecord): string | undefined =>
  causedBy.length === 0 || sourceIdOf(sourceId) === '' ? undefined : formatId('evt', causedBy);

export function entriesOf(record: EventRecord): TimelineEntry[] {
  const { transition } = record;
  const story = {
    ...record,
    eventId: uuidBytes(record.eventId),
    conversationId: record.conversationId === undefined ? undefined : uuidBytes(record.conversationId),
    note: record.attributes.note,
    transition: transition && {
      ...transition,
      messageId: transition.messageId === undefined ? undefined : uuidBytes(transition.messageId),
    },
  };
  return timelineOf(story).map(entryOf);
}

const entryOf = (entry: StageEntry): TimelineEntry => ({
  atMs: entry.atMs,
  stage: entry.stage,
  detail: entry.detail,
  factId: entry.factId === undefined ? '' : formatId('fct', entry.factId),
  messageId: entry.messageId === undefined ? '' : formatId('msg', entry.messageId),
  fromState: entry.fromState ?? '',
  toState: entry.toState ?? '',
  effect: entry.effect ?? '',
  conversationId: entry.conversationId === undefined ? '' : formatId('cnv', entry.conversationId),
});

export const messageOf = (view: MessageView): Message => ({
  id: idOfUuid('msg', view.messageId),
  state: view.state,
  stateChangedAtMs: view.stateChangedAtMs,
  channel: view.channel,
  direction: view.direction,
  providerMessageId: view.providerMessageId,
  sourceId: sourceIdOf(view.sourceId),
  conversationId: publicId('cnv', view.conversationId),
  campaign: view.campaign,
  isContradicted: view.isContradicted,
  createdAtMs: uuidTimeMs(uuidBytes(view.messageId)),
  replyToMessageId: publicId('msg', view.replyToMessageId),
  tags: view.tags,
  transitions: view.steps.map(({ eventId, ...step }) => ({ ...step, eventId: idOfUuid('evt', eventId) })),
});
