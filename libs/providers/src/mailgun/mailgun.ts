import { createHash } from 'node:crypto';
import { hmac, safeEqual } from '@posthorn/crypto/hmac.js';
import { AppError } from '@posthorn/errors/app-error.js';
import type { z } from 'zod';
import { atPointer, textAt } from '../json-pointer.js';
import { htmlText, mailAddress, mailHeader, mailId, mailKey, mailSignal } from '../mail.js';
import { partText } from '../multipart.js';
import { keywordSignal } from '../opt-out-keywords.js';
import type { ProviderRequest } from '../provider-request.js';
import {
  accept,
  bodySizeSetting,
  COMMON_SETTINGS,
  freshnessSetting,
  identifier,
  label,
  providerEvent,
  refuse,
  unrecognizedEvent,
} from '../provider.js';
import type {
  EventSignal,
  MessageState,
  Provider,
  ProviderAnswer,
  ProviderEvent,
  ProviderSecret,
  Verdict,
} from '../provider.js';
import { REPEATED } from '../request-headers.js';
import { parseTimestamp } from '../timestamp.js';
import { page } from './page.js';

const FRESHNESS_SECONDS = 43_200;
/** Ten digits reach from 2001 to 2286. Fixed, because nothing separates it from the token in what is signed. */
const TIMESTAMP = /^\d{10}$/;
const TOKEN = /^[\x21-\x7e]{16,128}$/;
const SIGNATURE = /^[0-9a-f]{64}$/;

/**
 * Mailgun's events, as the state that each is evidence of. Who clicks has read; who unsubscribes or complains
 * has been delivered to. Source: Mailgun, "Event types", read 2026-11.
 */
const STATES: Readonly<Record<string, MessageState>> = {
  ...{ accepted: 'accepted', rejected: 'failed', delivered: 'delivered', opened: 'read', clicked: 'read' },
  ...{ unsubscribed: 'delivered', complained: 'delivered' },
};
const SIGNALS: Readonly<Record<string, EventSignal>> = {
  ...{ unsubscribed: 'opt_out', complained: 'complaint' },
};
/** Failures for another reason than the mailbox: what the contact asked for before; no final answer in time. */
const FAILURE_SIGNALS: Readonly<Record<string, EventSignal>> = {
  ...{ 'suppress-unsubscribe': 'opt_out', 'suppress-complaint': 'complaint', old: 'soft_bounce' },
};

const settings = COMMON_SETTINGS.extend({
  // Its retries last 8 h and keep timestamp and token; the token's single use is what stops a replay.
  freshnessSeconds: freshnessSetting(FRESHNESS_SECONDS),
  // Routed mails come with their attachments.
  maxBodyBytes: bodySizeSetting(1_048_576),
});
type Settings = z.output<typeof settings>;

/** Mailgun: event webhooks and routed inbound mails. */
export const mailgun: Provider<Settings> = {
  id: 'mailgun',
  name: 'Mailgun',
  documentation: 'https://documentation.mailgun.com/docs/mailgun/user-manual/webhooks/securing-webhooks',
  schemes: ['HMAC-SHA256 over timestamp and token; the body is not signed'],
  methods: ['POST'],
  settings,
  secretRequired: true,

  validateSecret(value: string): void {
    if (!/^[\x21-\x7e]{16,128}$/.test(value))
      throw new AppError('secret.invalid', { detail: 'expected the HTTP webhook signing key' });
  },

  // 406 ends its retries. A signature of another key is not among them: that key may reach us late.
  refusalStatus: {
    ...{ 'signature.missing': 406, 'signature.malformed': 406, 'signature.expired': 406 },
    'request.invalid': 406,
  },

  verify(request: ProviderRequest, secrets: readonly ProviderSecret[]): Verdict {
    const given = signatureIn(request);
    if (given === undefined) return refuse('signature.missing', 'timestamp, token and signature are needed');
    const { timestamp, token, signatures } = given;
    const signedAtMs = TIMESTAMP.test(timestamp) ? parseTimestamp(timestamp, 'unixSeconds') : undefined;
    if (signedAtMs === undefined || !TOKEN.test(token) || !signatures.every((each) => SIGNATURE.test(each)))
      return refuse('signature.malformed', 'timestamp, token or signature cannot be read');
    const secret = secrets.find(({ value }) => {
      const expected = Buffer.from(hmac('sha256', value, timestamp, token).toString('hex'));
      return signatures.some((each) => safeEqual(Buffer.from(each), expected));
    });
    return secret === undefined
      ? refuse('signature.mismatch', 'no signing key of this source made this signature')
      : accept(secret.id, signedAtMs, `${timestamp}${token}`);
  },

  parse(request: ProviderRequest): readonly ProviderEvent[] {
    const json = request.json();
    if (json.isJson) return [eventIn(json.value, request.body)];
    const fields = fieldsOf(request);
    if (fields === undefined)
      return [unrecognizedEvent(`body:${digest(request.body)}`, 'neither JSON nor a well-formed form')];
    return [mailIn(fields, request.body)];
  },

  answer(): ProviderAnswer {
    // Any other code, 204 too, is tried again.
    return { status: 200 };
  },

  page,
};

interface GivenSignature {
  readonly timestamp: string;
  readonly token: string;
  readonly signatures: readonly string[];
}

/** In `signature` of a JSON body, else in fields of a form, each once: two readers must not find two values. */
function signatureIn(request: ProviderRequest): GivenSignature | undefined {
  const json = request.json();
  if (json.isJson) {
    const [timestamp, token, signature, parent] = ['timestamp', 'token', 'signature', 'parent-signature'].map(
      (name) => textAt(json.value, `/signature/${name}`),
    );
    if (timestamp === undefined || token === undefined || signature === undefined) return undefined;
    const isParent = parent !== undefined && SIGNATURE.test(parent);
    return { timestamp, token, signatures: isParent ? [signature, parent] : [signature] };
  }
  const fields = fieldsOf(request);
  const [timestamp, token, signature] = ['timestamp', 'token', 'signature'].map((name) => fields?.get(name));
  if (timestamp === undefined || token === undefined || signature === undefined) return undefined;
  // A field that stands twice has no form that verification accepts.
  return { timestamp: timestamp.join(), token: token.join('\n'), signatures: [signature.join()] };
}

/** The fields of a form, multipart or not; files are left out. */
function fieldsOf(request: ProviderRequest): ReadonlyMap<string, readonly string[]> | undefined {
  const contentType = request.headers.one('content-type');
  if (contentType === undefined || contentType === REPEATED || !/^multipart\//i.test(contentType))
    return request.form();
  const parts = request.multipart();
  if (parts === undefined) return undefined;
  const fields = new Map<string, string[]>();
  for (const part of parts) {
    if (part.fileName !== undefined) continue;
    const values = fields.get(part.name);
    if (values === undefined) fields.set(part.name, [partText(part)]);
    else values.push(partText(part));
  }
  return fields;
}

function eventIn(body: unknown, raw: Buffer): ProviderEvent {
  const data = atPointer(body, '/event-data');
  const text = (at: string): string => textAt(data, `/${at}`) ?? '';
  const id = identifier(text('id'));
  const [event, reason] = [text('event'), text('reason')];
  const recipient = text('recipient');
  const from = text('message/headers/from') || text('envelope/sender');
  const failure =
    event === 'failed' ? ['failed', text('severity'), reason].filter((each) => each !== '') : [];
  const known = {
    // Mailgun promises an ID that is unique within a day.
    dedupKey: id === undefined ? `body:${digest(raw)}` : `id:${id}:${label(text('timestamp'))}`,
    providerEventId: id ?? '',
    providerType: label(event),
    // All recipients of a send share it.
    providerMessageId: mailId(text('message/headers/message-id')) ?? '',
    recipient,
    providerStatus: failure.length > 0 ? label(failure.join('.')) : label(event),
    channel: 'email' as const,
    direction: 'outbound' as const,
    campaign: label(text('campaigns/0/id')) || label(text('tags/0')),
    signal: signalOf(event, text('severity'), reason),
    occurredAtMs: millisecondsOf(atPointer(data, '/timestamp')),
    person: mailAddress(recipient) || recipient,
    ours: mailAddress(from),
    content:
      recipient === ''
        ? undefined
        : { from, to: recipient, text: '', subject: text('message/headers/subject'), mediaUrls: [] },
  };
  const state = stateOf(event, text('severity'), reason, text('client-info/bot'));
  if (state === undefined) return unrecognizedEvent(known.dedupKey, 'unknown event', known);
  if (known.providerMessageId === '') return unrecognizedEvent(known.dedupKey, 'no message ID', known);
  return providerEvent({
    ...known,
    type: `message.${state}`,
    status: state,
    errorCode:
      event === 'failed'
        ? label(text('delivery-status/enhanced-code')) || label(text('delivery-status/code'))
        : '',
  });
}

function stateOf(event: string, severity: string, reason: string, bot: string): MessageState | undefined {
  if (event === 'failed') {
    // Temporary: Mailgun itself tries again. Suppressed: it never tried.
    if (severity === 'temporary') return 'queued';
    if (severity !== 'permanent') return undefined;
    return reason.startsWith('suppress-') ? 'failed' : 'undelivered';
  }
  // A machine that opens every mail proves delivery, not reading.
  if ((event === 'opened' || event === 'clicked') && bot !== '') return 'delivered';
  return Object.hasOwn(STATES, event) ? STATES[event] : undefined;
}

/** Mailgun goes on trying after a temporary failure, with one such event for each try. */
function signalOf(event: string, severity: string, reason: string): EventSignal | '' {
  if (event !== 'failed') return (Object.hasOwn(SIGNALS, event) ? SIGNALS[event] : undefined) ?? '';
  if (severity === 'temporary') return 'soft_bounce';
  if (severity !== 'permanent') return '';
  return (Object.hasOwn(FAILURE_SIGNALS, reason) ? FAILURE_SIGNALS[reason] : undefined) ?? 'hard_bounce';
}

/** Unix seconds with a fraction. */
const millisecondsOf = (seconds: unknown): number | undefined =>
  typeof seconds === 'number'
    ? parseTimestamp(String(Math.trunc(seconds * 1000)), 'unixMilliseconds')
    : undefined;

/** A mail that a route forwarded. Source: Mailgun, "Receiving messages via HTTP", read 2026-11. */
function mailIn(fields: ReadonlyMap<string, readonly string[]>, raw: Buffer): ProviderEvent {
  const field = (name: string): string => fields.get(name)?.[0] ?? '';
  const [from, recipient, subject] = [field('from') || field('From'), field('recipient'), field('subject')];
  const sender = field('sender');
  const id = mailId(
    field('Message-Id') ||
      field('Message-ID') ||
      headerIn(field('message-headers'), 'message-id') ||
      mailHeader(field('body-mime'), 'message-id'),
  );
  const text = field('body-plain') || htmlText(field('body-html'));
  const person = mailAddress(from) || sender;
  const known = {
    dedupKey: id === undefined ? keyWithoutId(field('token'), raw) : mailKey(id, sender, [recipient]),
    providerMessageId: id ?? '',
    providerType: 'route',
    channel: 'email' as const,
    direction: 'inbound' as const,
    replyTo:
      mailId(
        field('In-Reply-To') ||
          headerIn(field('message-headers'), 'in-reply-to') ||
          mailHeader(field('body-mime'), 'in-reply-to'),
      ) ?? '',
    replyToRecipient: person,
    // Mailgun has cut quotes and signature off already, where it could.
    signal: keywordSignal(field('stripped-text')) ?? mailSignal(subject, text) ?? ('' as const),
    occurredAtMs: parseTimestamp(field('timestamp'), 'unixSeconds'),
    person,
    ours: recipient,
    content: { from, to: recipient, text, subject, mediaUrls: [] },
  };
  if (person === '' || recipient === '') return unrecognizedEvent(known.dedupKey, 'no routed mail', known);
  return providerEvent({
    ...known,
    providerMessageId: id ?? known.dedupKey,
    type: 'message.received',
    status: 'received',
  });
}

/** The token stays over retries, the boundary between the parts may not. */
const keyWithoutId = (token: string, raw: Buffer): string =>
  TOKEN.test(token) ? `token:${token}` : `body:${digest(raw)}`;

/** A header in `message-headers`: JSON, pairs of name and value. */
function headerIn(json: string, name: string): string | undefined {
  try {
    const pairs = JSON.parse(json) as unknown;
    if (!Array.isArray(pairs)) return undefined;
    const at = pairs.findIndex((pair) => textAt(pair, '/0')?.toLowerCase() === name);
    return textAt(pairs, `/${at}/1`);
  } catch {
    return undefined;
  }
}

const digest = (body: Buffer): string => createHash('sha256').update(body).digest('hex');
