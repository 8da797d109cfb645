import { idOfUuid } from '@posthorn/clock/id.js';
import {
  type Conversation,
  type Handoff as HandoffMessage,
  type PersonEvent,
} from '@posthorn/contracts/posthorn/events/v1/events.js';
import { AppError } from '@posthorn/errors/app-error.js';
import { decodeCursor, encodeCursor } from '@posthorn/postgres/cursor.js';
import { type Handoff } from '../domain/handoff.js';
import { unauthenticCauseOf } from '../domain/intake.js';
import { type ConversationView, type Place } from '../persistence/conversation.read.js';
import { type PersonEventRecord } from '../persistence/person.read.js';
import { publicId, sourceIdOf } from './event-query.dto.js';

const NONE = Buffer.alloc(0);
const TIMESTAMP = /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d{1,6})?[+-]\d\d(:\d\d)?$/;
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** The place in a cursor; undefined for the first page. @throws AppError `request.invalid` */
export function placeOf(cursor: string): Place | undefined {
  if (cursor === '') return undefined;
  const [at, id] = decodeCursor(cursor, 2) as [string, string];
  if (!TIMESTAMP.test(at) || !UUID.test(id))
    throw new AppError('request.invalid', {
      fields: [{ path: 'query.cursor', message: 'must be the next_cursor of an earlier answer' }],
    });
  return { at, id };
}

export const placeCursor = (next: Place | undefined): string =>
  next === undefined ? '' : encodeCursor([next.at, next.id]);

export const conversationOf = (view: ConversationView): Conversation => ({
  ...view,
  id: idOfUuid('cnv', view.conversationId),
  personHash: view.personHash ?? NONE,
});

export const handoffMessageOf = (handoff: Handoff): HandoffMessage => ({
  ...handoff,
  id: idOfUuid('evt', handoff.handoffId),
  conversationId: idOfUuid('cnv', handoff.conversationId),
});

export function personEventOf(record: PersonEventRecord): PersonEvent {
  const { attributes } = record;
  return {
    eventId: idOfUuid('evt', record.eventId),
    type: record.type,
    provider: record.provider,
    sourceId: sourceIdOf(record.sourceId),
    messageId: publicId('msg', record.messageId),
    conversationId: idOfUuid('cnv', record.conversationId),
    channel: attributes.channel,
    direction: attributes.direction,
    campaign: attributes.campaign,
    signal: attributes.signal,
    errorCode: attributes.errorCode,
    note: attributes.note,
    fromState: record.fromState,
    toState: record.toState,
    effect: record.effect,
    conversationFromState: record.conversationFrom,
    conversationToState: record.conversationTo,
    occurredAtMs: record.occurredAtMs,
    receivedAtMs: record.receivedAtMs,
    projectedAtMs: record.projectedAtMs,
    personHash: record.personHash,
    unauthenticCause: unauthenticCauseOf(attributes),
  };
}
