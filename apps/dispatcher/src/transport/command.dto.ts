import { type IdPrefix, parseId, uuidOfId } from '@posthorn/clock/id.js';
import { COUNTRY_RULE, isCountry, isTimeZone, TIME_ZONE_RULE } from '@posthorn/clock/region.js';
import {
  CreateMessageRequest,
  type ErasePersonRequest,
  type ListMessageCommandsRequest,
  type MessageCommand,
  type MessageContent as ContentMessage,
} from '@posthorn/contracts/posthorn/dispatcher/v1/dispatcher.js';
import { AppError, type FieldError } from '@posthorn/errors/app-error.js';
import { auditActor, type AuditActor } from '@posthorn/postgres/audit-outgoing.js';
import { type MessageRequest } from '../application/create-message.js';
import {
  CATEGORIES,
  CHANNELS,
  type MessageContent,
  SCHEDULE_AHEAD_MS_MAX,
  SENDERS,
  VALID_FOR_MS_MAX,
} from '../domain/command.js';
import { COMMAND_STATES } from '../domain/command-state.js';
import { type CommandView } from '../domain/command-view.js';
import { type CommandFilter } from '../persistence/command.read.js';
import { filterMsOf, filterUuidOf } from './delivery.dto.js';

const ADDRESS_LENGTH_MAX = 4_096;
const NAME_LENGTH_MAX = 128;
const KEY_LENGTH_MAX = 255;
const TEXT_LENGTH_MAX = 65_536;
const HTML_LENGTH_MAX = 1_048_576;
const SUBJECT_LENGTH_MAX = 998;
const URL_LENGTH_MAX = 2_048;
const MEDIA_MAX = 10;
const PARAMETERS_MAX = 64;
const DATA_MAX = 64;
const REASON_LENGTH_MAX = 200;
const PERSON_HASH = /^[0-9a-f]{32}$/;
/** As many as compliance links with one person. */
const PERSON_HASHES_MAX = 32;
const NONE = Buffer.alloc(0);

/** Collects what is wrong with a request, so that its sender hears all of it at once. */
class Fields {
  private readonly errors: FieldError[] = [];

  check(isGood: boolean, path: string, message: string): void {
    if (!isGood) this.errors.push({ path, message });
  }

  text(value: string, path: string, lengthMax: number, isRequired = false): string {
    this.check(value.length <= lengthMax, path, `must have at most ${lengthMax} characters`);
    // Postgres takes none: one would make its whole batch be tried again.
    this.check(!value.includes('\0'), path, 'must not have a NUL character');
    this.check(!isRequired || value.trim() !== '', path, 'is empty');
    return value;
  }

  oneOf<T extends string>(value: string, path: string, known: readonly T[]): T {
    const found = known.find((one) => one === value);
    this.check(found !== undefined, path, `must be one of ${known.join(', ')}`);
    return found ?? known[0]!;
  }

  /** A name from a list that is not ours, empty for none: one that is not in it would count as none. */
  named(value: string, path: string, isName: (name: string) => boolean, rule: string): string {
    this.check(value === '' || isName(value), path, rule);
    return value;
  }

  /** The bytes of an ID, empty for none. */
  id(prefix: IdPrefix, value: string, path: string): Buffer {
    const bytes = value === '' ? NONE : parseId(prefix, value);
    this.check(bytes !== undefined, path, `must be a ${prefix}_… ID`);
    return bytes ?? NONE;
  }

  /** @throws AppError `request.invalid` with every field that is wrong. */
  done(): void {
    if (this.errors.length > 0) throw new AppError('request.invalid', { fields: this.errors });
  }
}

/** @throws AppError `request.invalid` */
export function messageRequestOf(request: CreateMessageRequest, nowMs: number): MessageRequest {
  const fields = new Fields();
  const parsed: MessageRequest = {
    tenantId: request.tenantId,
    sourceId: request.sourceId,
    idempotencyKey: fields.text(request.idempotencyKey, 'idempotencyKey', KEY_LENGTH_MAX),
    fingerprint: fingerprintOf(request),
    body: {
      to: fields.text(request.to, 'to', ADDRESS_LENGTH_MAX, true),
      from: fields.text(request.from, 'from', ADDRESS_LENGTH_MAX),
      content: contentOf(request.content, fields),
      contact: {
        timeZone: fields.named(request.timeZone, 'timeZone', isTimeZone, TIME_ZONE_RULE),
        country: fields.named(request.country, 'country', isCountry, COUNTRY_RULE),
        postalCode: fields.text(request.postalCode, 'postalCode', NAME_LENGTH_MAX),
      },
    },
    channel: fields.oneOf(request.channel, 'channel', CHANNELS),
    category: fields.oneOf(request.category, 'category', CATEGORIES),
    program: fields.text(request.program, 'program', NAME_LENGTH_MAX),
    campaign: fields.text(request.campaign, 'campaign', NAME_LENGTH_MAX),
    replyTo: fields.id('cnv', request.replyTo, 'replyTo'),
    sender: fields.oneOf(request.sender === '' ? 'bot' : request.sender, 'sender', SENDERS),
    fencingToken: request.fencingToken,
    answersEventId: fields.id('evt', request.answersEventId, 'answersEventId'),
    ruleId: fields.id('rul', request.ruleId, 'ruleId'),
    triggerEventId: fields.id('evt', request.triggerEventId, 'triggerEventId'),
    notBeforeMs: request.notBeforeMs,
    notAfterMs: request.notAfterMs,
    lastInboundAtMs: request.lastInboundAtMs,
    isReplay: request.isReplay,
    traceparent: request.traceparent,
    // What a rule sends is told by its effect.
    by: request.ruleId === '' ? auditActor(request.principal, request.actorId) : undefined,
  };
  const { ruleId, triggerEventId, idempotencyKey, notBeforeMs, notAfterMs } = parsed;
  const isPaired = ruleId.length === triggerEventId.length && (ruleId.length === 0 || idempotencyKey === '');
  fields.check(isPaired, 'ruleId', 'goes with triggerEventId, and without an idempotency key');
  fields.check(notBeforeMs <= nowMs + SCHEDULE_AHEAD_MS_MAX, 'notBefore', 'must be at most 7 days ahead');
  const startMs = Math.max(nowMs, notBeforeMs);
  const isAfter = notAfterMs === 0 || (notAfterMs > startMs && notAfterMs <= startMs + VALID_FOR_MS_MAX);
  fields.check(isAfter, 'notAfter', 'must be after notBefore, by at most 7 days');
  fields.done();
  return parsed;
}

function contentOf(content: ContentMessage | undefined, fields: Fields): MessageContent {
  const { text = '', html = '', subject = '', title = '', mediaUrls = [], data = {} } = content ?? {};
  const { template, unsubscribeUrl = '' } = content ?? {};
  const isEmpty = [text, html, subject, title].every((one) => one === '') && mediaUrls.length === 0;
  fields.check(!isEmpty || template !== undefined || Object.keys(data).length > 0, 'content', 'says nothing');
  fields.text(text, 'content.text', TEXT_LENGTH_MAX);
  fields.text(html, 'content.html', HTML_LENGTH_MAX);
  fields.text(subject, 'content.subject', SUBJECT_LENGTH_MAX);
  fields.text(title, 'content.title', SUBJECT_LENGTH_MAX);
  fields.text(unsubscribeUrl, 'content.unsubscribeUrl', URL_LENGTH_MAX);
  fields.check(mediaUrls.length <= MEDIA_MAX, 'content.mediaUrls', `must be at most ${MEDIA_MAX}`);
  for (const url of mediaUrls) fields.text(url, 'content.mediaUrls', URL_LENGTH_MAX, true);
  const entries = Object.entries(data);
  fields.check(entries.length <= DATA_MAX, 'content.data', `must have at most ${DATA_MAX} entries`);
  for (const [name, value] of entries) fields.text(name + value, 'content.data', URL_LENGTH_MAX);
  if (template !== undefined) {
    fields.text(template.name, 'content.template.name', NAME_LENGTH_MAX, true);
    fields.text(template.language, 'content.template.language', NAME_LENGTH_MAX);
    const isFew = template.parameters.length <= PARAMETERS_MAX;
    fields.check(isFew, 'content.template.parameters', `must be at most ${PARAMETERS_MAX}`);
    for (const each of template.parameters) fields.text(each, 'content.template.parameters', URL_LENGTH_MAX);
  }
  return { text, html, subject, title, mediaUrls, data, template, unsubscribeUrl };
}

/** What makes two requests the same: all of it but the key, who asks, and the trace. */
export function fingerprintOf(request: CreateMessageRequest): Uint8Array {
  const { content } = request;
  const data = Object.fromEntries(Object.entries(content?.data ?? {}).sort(([a], [b]) => (a < b ? -1 : 1)));
  return CreateMessageRequest.encode({
    ...request,
    ...{ idempotencyKey: '', actorId: '', traceparent: '', principal: undefined },
    content: content && { ...content, data },
  }).finish();
}

/** @throws AppError `message.not_found` */
export function messageUuidOf(id: string): string {
  const uuid = uuidOfId('msg', id);
  if (uuid === undefined) throw new AppError('message.not_found');
  return uuid;
}

/** @throws AppError `request.invalid` */
export function resolutionOf(request: {
  readonly outcome: string;
  readonly providerMessageId: string;
  readonly actorId: string;
  readonly principal?: AuditActor | undefined;
  readonly reason: string;
}) {
  const fields = new Fields();
  const outcome = fields.oneOf(request.outcome, 'outcome', ['sent', 'failed'] as const);
  const providerMessageId = fields.text(request.providerMessageId, 'providerMessageId', KEY_LENGTH_MAX);
  const reason = fields.text(request.reason, 'reason', REASON_LENGTH_MAX, true);
  fields.done();
  const by = auditActor(request.principal, request.actorId);
  return { outcome, providerMessageId, actorId: request.actorId, by, reason };
}

/** @throws AppError `request.invalid` */
export function commandFilterOf(request: ListMessageCommandsRequest): CommandFilter {
  const fields = new Fields();
  const { state, campaign, personHash } = request;
  const hashes = [...(personHash === '' ? [] : [personHash]), ...request.personHashes];
  const personHashes = hashesOf(hashes, 'query.personHashes', fields);
  const filter = {
    state: state === '' ? undefined : fields.oneOf(state, 'query.state', COMMAND_STATES),
    sourceUuid: filterUuidOf('src', request.sourceId, 'query.sourceId'),
    campaign: campaign === '' ? undefined : campaign,
    personHashes: hashes.length === 0 ? undefined : personHashes,
    fromMs: filterMsOf(request.fromMs),
    toMs: filterMsOf(request.toMs),
  };
  fields.done();
  return filter;
}

/** @throws AppError `request.invalid` */
export function erasureOrderOf(request: ErasePersonRequest) {
  const fields = new Fields();
  fields.check(request.personHashes.length > 0, 'personHashes', 'is empty');
  const personHashes = hashesOf(request.personHashes, 'personHashes', fields);
  const actorId = fields.text(request.actorId, 'actorId', NAME_LENGTH_MAX, true);
  fields.done();
  return { personHashes, actorId };
}

function hashesOf(hashes: readonly string[], path: string, fields: Fields): Buffer[] {
  fields.check(hashes.length <= PERSON_HASHES_MAX, path, `must be at most ${PERSON_HASHES_MAX}`);
  const areHashes = hashes.every((hash) => PERSON_HASH.test(hash));
  fields.check(areHashes, path, 'must be the hex of 16 bytes each');
  return hashes.map((hash) => Buffer.from(hash, 'hex'));
}

/** A command as a message. */
export const commandMessage = (command: CommandView): MessageCommand => ({
  ...command,
  attempts: command.attempts.map((attempt) => ({ ...attempt })),
});
