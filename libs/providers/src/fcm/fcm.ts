import { generateSigningSecret } from '@posthorn/crypto/signing-secret.js';
import type { z } from 'zod';
import { eventBatch, itemKey } from '../event-batch.js';
import { textAt } from '../json-pointer.js';
import { messageReference } from '../message-reference.js';
import type { ProviderRequest } from '../provider-request.js';
import { COMMON_SETTINGS, label, providerEvent, unrecognizedEvent } from '../provider.js';
import type {
  MessageState,
  Provider,
  ProviderAnswer,
  ProviderEvent,
  ProviderSecret,
  Verdict,
} from '../provider.js';
import { standardIdentity, validateStandardSecret, verifyStandard } from '../standard-signature.js';
import { parseTimestamp } from '../timestamp.js';
import { page } from './page.js';

const settings = COMMON_SETTINGS.extend({});
type Settings = z.output<typeof settings>;

const FAMILY = 'webhook';
/** Our reference, as the sender puts it into the data of each push. */
const REFERENCE_FIELD = 'posthorn_message_id';
/** As addresses of sends; FCM names no bound. */
const TOKEN_LENGTH_MAX = 4_096;

/** What an app tells of a push. */
const STATES: Readonly<Record<string, MessageState>> = { delivered: 'delivered', opened: 'read' };

/**
 * Firebase Cloud Messaging. Google posts nothing: what became of a push only the app knows, and its server posts
 * it in a form of ours, signed as Standard Webhooks says.
 */
export const fcm: Provider<Settings> = {
  id: 'fcm',
  name: 'Firebase Cloud Messaging',
  documentation: 'https://firebase.google.com/docs/cloud-messaging',
  schemes: ['v1 HMAC-SHA256', 'v1a Ed25519'],
  methods: ['POST'],
  settings,
  secretRequired: true,
  generateSecret: generateSigningSecret,
  validateSecret: (value: string) => validateStandardSecret(value),

  verify: (request: ProviderRequest, secrets: readonly ProviderSecret[]): Verdict =>
    verifyStandard(request, secrets, FAMILY),

  parse(request: ProviderRequest): readonly ProviderEvent[] {
    const { key, eventId: providerEventId } = standardIdentity(request, FAMILY);
    const json = request.json();
    if (!json.isJson) return [unrecognizedEvent(key, 'the body is not JSON', { providerEventId })];
    const items: unknown[] = Array.isArray(json.value) ? json.value : [json.value];
    if (items.length === 0) return [unrecognizedEvent(key, 'an empty batch', { providerEventId })];
    const receipts = items.map((item, index) => receiptOf(item, providerEventId, `${key}:${index}`));
    return eventBatch(receipts, request.body);
  },

  answer(): ProviderAnswer {
    return { status: 204 };
  },

  page,
};

/** @param fallback the key of an item that has no other. */
function receiptOf(item: unknown, providerEventId: string, fallback: string): ProviderEvent {
  const text = (at: string): string => textAt(item, at) ?? '';
  const type = text('/type');
  const reference = messageReference(text(`/data/${REFERENCE_FIELD}`));
  const token = tokenOf(text('/data/token'));
  const known = {
    providerEventId,
    providerType: label(type),
    channel: 'push' as const,
    direction: 'outbound' as const,
    messageReference: reference,
    occurredAtMs: parseTimestamp(text('/timestamp'), 'rfc3339'),
    person: token,
    content: token === '' ? undefined : { from: '', to: token, text: '', subject: '', mediaUrls: [] },
  };
  const state = Object.hasOwn(STATES, type) ? STATES[type] : undefined;
  if (state === undefined) return unrecognizedEvent(itemKey(item, fallback), 'unknown type', known);
  if (reference === '') return unrecognizedEvent(itemKey(item, fallback), 'no message of ours', known);
  return providerEvent({
    ...known,
    // A push has one recipient: it is delivered once and opened once, however often the app tells so.
    dedupKey: `${type}:${reference}`,
    type: `message.${state}`,
    status: state,
    providerStatus: known.providerType,
  });
}

const tokenOf = (text: string): string => (text.length > TOKEN_LENGTH_MAX ? '' : text);
