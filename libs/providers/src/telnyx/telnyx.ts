import { createHash, createPublicKey, verify as verifySignature } from 'node:crypto';
import { AppError } from '@posthorn/errors/app-error.js';
import type { z } from 'zod';
import { decodedSecrets } from '../decoded-secret.js';
import { atPointer, textAt } from '../json-pointer.js';
import { referenceOrCampaign } from '../message-reference.js';
import { keywordSignal, type Signal } from '../opt-out-keywords.js';
import type { ProviderRequest } from '../provider-request.js';
import {
  accept,
  COMMON_SETTINGS,
  identifier,
  label,
  providerEvent,
  refuse,
  unrecognizedEvent,
} from '../provider.js';
import type {
  Channel,
  MessageState,
  Provider,
  ProviderAnswer,
  ProviderEvent,
  ProviderSecret,
  Verdict,
} from '../provider.js';
import { REPEATED } from '../request-headers.js';
import { strictBase64 } from '../strict-base64.js';
import { parseTimestamp } from '../timestamp.js';
import { page } from './page.js';

const SIGNATURE_HEADER = 'telnyx-signature-ed25519';
const TIMESTAMP_HEADER = 'telnyx-timestamp';
const PUBLIC_KEY_BYTES = 32;
const SIGNATURE_BYTES = 64;
/** DER of SubjectPublicKeyInfo for Ed25519, before the 32 bytes. Source: RFC 8410, section 10.1. */
const ED25519_SPKI = Buffer.from('302a300506032b6570032100', 'hex');
const MEDIA_MAX = 10;
const RECIPIENTS_MAX = 100;

/** Telnyx' words for the state of one recipient. Source: Telnyx API, "Receiving webhooks", read 2026-11. */
const STATES: Readonly<Record<string, MessageState>> = {
  ...{ queued: 'queued', sending: 'sending', sent: 'sent', delivered: 'delivered', read: 'read' },
  ...{ sending_failed: 'failed', delivery_failed: 'undelivered', expired: 'expired' },
  delivery_unconfirmed: 'unknown',
};
/** Blocked because the contact has sent STOP. */
const OPT_OUT_ERROR = '40300';
const AUTORESPONSES: Readonly<Record<string, Signal>> = {
  ...{ STOP: 'opt_out', START: 'opt_in', HELP: 'help', INFO: 'help' },
};
const CHANNELS: Readonly<Record<string, Channel>> = {
  ...{ SMS: 'sms', MMS: 'sms', RCS: 'chat', WHATSAPP: 'chat' },
};

const settings = COMMON_SETTINGS.extend({});
type Settings = z.output<typeof settings>;

const keyOf = decodedSecrets(publicKey);

/** Telnyx Messaging: inbound messages and status events of API v2. */
export const telnyx: Provider<Settings> = {
  id: 'telnyx',
  name: 'Telnyx',
  documentation: 'https://developers.telnyx.com/docs/messaging/messages/receiving-webhooks',
  schemes: ['Ed25519 over timestamp|body'],
  methods: ['POST'],
  settings,
  secretRequired: true,

  validateSecret(value: string): void {
    publicKey(value);
  },

  verify(request: ProviderRequest, secrets: readonly ProviderSecret[]): Verdict {
    const signature = request.headers.one(SIGNATURE_HEADER);
    const timestamp = request.headers.one(TIMESTAMP_HEADER);
    if (signature === undefined || timestamp === undefined)
      return refuse('signature.missing', `${SIGNATURE_HEADER} and ${TIMESTAMP_HEADER} are needed`);
    if (signature === REPEATED || timestamp === REPEATED)
      return refuse('signature.malformed', 'a signature header stands twice');
    const given = strictBase64(signature);
    const signedAtMs = parseTimestamp(timestamp, 'unixSeconds');
    if (given?.length !== SIGNATURE_BYTES || signedAtMs === undefined)
      return refuse('signature.malformed', 'the signature or its timestamp cannot be read');
    const signed = Buffer.concat([Buffer.from(`${timestamp}|`), request.body]);
    const secret = secrets.find((each) => {
      const key = keyOf(each);
      return key !== undefined && verifySignature(null, signed, key, given);
    });
    return secret === undefined
      ? refuse('signature.mismatch', 'no public key of this source fits this signature')
      : accept(secret.id, signedAtMs);
  },

  parse(request: ProviderRequest): readonly ProviderEvent[] {
    const json = request.json();
    const body = json.isJson ? json.value : undefined;
    const text = (at: string): string => textAt(body, at) ?? '';
    const id = identifier(text('/data/id'));
    const type = text('/data/event_type');
    const known = {
      dedupKey: id === undefined ? `body:${digest(request.body)}` : `id:${id}`,
      providerEventId: id ?? '',
      providerType: label(type),
      occurredAtMs: parseTimestamp(text('/data/occurred_at'), 'rfc3339'),
    };
    const providerMessageId = identifier(text('/data/payload/id'));
    if (!type.startsWith('message.')) return [unrecognizedEvent(known.dedupKey, 'no message event', known)];
    if (providerMessageId === undefined) return [unrecognizedEvent(known.dedupKey, 'no message ID', known)];
    const channel = CHANNELS[text('/data/payload/type').toUpperCase()] ?? ('' as const);
    const reference = referenceOrCampaign(label(text('/data/payload/tags/0')));
    const ofMessage = { ...known, providerMessageId, channel, ...reference };
    if (type === 'message.received') return [inbound(body, ofMessage)];
    return text('/data/payload/direction') === 'inbound'
      ? [unrecognizedEvent(known.dedupKey, 'an inbound message in another event', ofMessage)]
      : outbound(body, ofMessage);
  },

  answer(): ProviderAnswer {
    // Some of its pages ask for 2xx, others for 200.
    return { status: 200 };
  },

  page,
};

type Known = Pick<ProviderEvent, 'dedupKey' | 'providerMessageId' | 'messageReference'> &
  Partial<ProviderEvent>;

function inbound(body: unknown, known: Known): ProviderEvent {
  const payload = (at: string): string => textAt(body, `/data/payload/${at}`) ?? '';
  const text = payload('text');
  const keyword = keywordSignal(text);
  const autoresponse = AUTORESPONSES[payload('autoresponse_type').toUpperCase()];
  const [from, to] = [addressAt(body, '/data/payload/from'), addressAt(body, '/data/payload/to/0')];
  const mediaUrls = Array.from({ length: MEDIA_MAX }, (_, index) => payload(`media/${index}/url`));
  return providerEvent({
    ...known,
    type: 'message.received',
    direction: 'inbound',
    status: 'received',
    // Telnyx acts on its own keywords, which may be others than ours: an opt-out by either counts.
    signal: (keyword === 'opt_out' ? keyword : (autoresponse ?? keyword)) ?? '',
    person: from,
    ours: to,
    content: {
      from,
      to,
      text,
      subject: payload('subject'),
      mediaUrls: mediaUrls.filter((url) => url !== ''),
    },
  });
}

/** One event per recipient: each has a state of its own. */
function outbound(body: unknown, known: Known): readonly ProviderEvent[] {
  const recipients = atPointer(body, '/data/payload/to');
  if (!Array.isArray(recipients) || recipients.length === 0 || recipients.length > RECIPIENTS_MAX)
    return [unrecognizedEvent(known.dedupKey, 'no list of recipients', known)];
  const from =
    addressAt(body, '/data/payload/from') || (textAt(body, '/data/payload/messaging_profile_id') ?? '');
  const errorCode = errorCodeIn(body);
  const isGroup = recipients.length > 1;
  // Where Telnyx names each recipient's part of a group message apart, this is the ID of the whole.
  const groupId = identifier(textAt(body, '/data/payload/group_message_id')) ?? known.providerMessageId;
  // What carries our reference is one message of ours, whatever else it says.
  const isShared = isGroup && known.messageReference === '';
  return recipients.map((_, index) => {
    const at = `/data/payload/to/${index}`;
    const [to, status] = [addressAt(body, at), textAt(body, `${at}/status`) ?? ''];
    const state = Object.hasOwn(STATES, status) ? STATES[status] : undefined;
    const dedupKey = isGroup ? `${known.dedupKey}:${index}` : known.dedupKey;
    const ofRecipient = {
      ...known,
      dedupKey,
      providerMessageId: isShared ? groupId : known.providerMessageId,
      recipient: isShared ? to : '',
      providerStatus: label(status),
    };
    if (state === undefined) return unrecognizedEvent(dedupKey, 'unknown status', ofRecipient);
    return providerEvent({
      ...ofRecipient,
      type: `message.${state}`,
      direction: 'outbound',
      status: state,
      errorCode,
      signal: errorCode === OPT_OUT_ERROR ? 'opt_out' : '',
      person: to,
      ours: from,
      content: { from, to, text: '', subject: '', mediaUrls: [] },
    });
  });
}

/** The first error, or the one that means an opt-out wherever it stands. */
function errorCodeIn(body: unknown): string {
  const errors = atPointer(body, '/data/payload/errors');
  const codes = (Array.isArray(errors) ? errors : []).map((error) => label(textAt(error, '/code')));
  return codes.find((code) => code === OPT_OUT_ERROR) ?? codes[0] ?? '';
}

/** A number, or the name of an RCS agent. */
const addressAt = (body: unknown, at: string): string =>
  textAt(body, `${at}/phone_number`) ?? textAt(body, `${at}/agent_id`) ?? '';

function publicKey(value: string) {
  const bytes = strictBase64(value);
  if (bytes?.length !== PUBLIC_KEY_BYTES)
    throw new AppError('secret.invalid', { detail: 'expected the public key: 32 bytes in base64' });
  return createPublicKey({ key: Buffer.concat([ED25519_SPKI, bytes]), format: 'der', type: 'spki' });
}

const digest = (body: Buffer): string => createHash('sha256').update(body).digest('hex');
