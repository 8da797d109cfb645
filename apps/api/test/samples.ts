import {
  COMMAND,
  CONVERSATION,
  DELIVERY,
  ERASURE_ID,
  EVENT,
  MESSAGE,
  PERSON_ID,
  RULE,
  SUPPRESSION,
} from './played-things.js';

/** A call of an operation that is valid in itself. */
export interface Sample {
  /** Of the path, apart from the tenant. Those that tests make themselves are missing. */
  readonly params?: Readonly<Record<string, string>>;
  readonly body?: Readonly<Record<string, unknown>>;
  readonly raw?: string;
  readonly query?: string;
}

const T = '/v1/tenants/{tenant}';
const event = { id: EVENT.id };
const message = { id: MESSAGE.id };
const conversation = { id: CONVERSATION.id };
const suppression = { id: SUPPRESSION.id };
const person = { id: PERSON_ID };
const delivery = { id: DELIVERY.id };
const send = {
  ...{ sourceId: COMMAND.sourceId, to: '+436601234567', channel: 'sms', category: 'transactional' },
  content: { text: 'Hello' },
};
const rule = { id: RULE.id };
const ruleBody = {
  name: 'thank',
  when: { types: ['message.received'], expression: "event.channel == 'sms'" },
  then: { action: 'send', category: 'transactional', text: 'Thanks' },
  enabled: true,
};
const week = {
  ...{ sun: '', mon: '09:00-18:00', tue: '09:00-18:00', wed: '09:00-18:00' },
  ...{ thu: '09:00-18:00', fri: '09:00-18:00', sat: '' },
};
const policy = {
  expectedVersion: 3,
  quietHours: { hours: [{ place: 'FR', week }], channels: ['email'] },
  caps: [{ count: 2, windowHours: 24 }],
  keywords: { optOut: ['basta'] },
};

/** By `METHOD path`: one for every operation that needs more than its tenant. */
export const SAMPLES: Readonly<Record<string, Sample>> = {
  'POST /v1/tenants': { body: { slug: 'a-b', name: 'Acme', country: 'AT', timeZone: 'Europe/Vienna' } },
  [`PATCH ${T}`]: { body: { name: 'Acme & Co' } },
  [`POST ${T}/api-keys`]: { body: { name: 'reader', scopes: ['events:read'] } },
  [`POST ${T}/sources`]: { body: { name: 'in', provider: 'standard-webhooks', settings: {} } },
  [`PATCH ${T}/sources/{id}`]: { body: { name: 'in 2' } },
  [`POST ${T}/sources/{id}/secrets`]: { body: { overlapSeconds: 600 } },
  [`PUT ${T}/sources/{id}/credentials`]: { body: { accessToken: 'token-of-provider' } },
  [`PUT ${T}/notifications`]: { body: { webhook: { url: 'https://hooks.example.com/x' } } },
  [`POST ${T}/sources/{id}/pause`]: { body: { reason: 'flood' } },
  [`POST ${T}/sources/{id}/resume`]: { body: { reason: 'over' } },
  [`POST ${T}/destinations`]: { body: { name: 'crm', url: 'https://crm.example.com/hook' } },
  [`PATCH ${T}/destinations/{id}`]: { body: { maxInFlight: 3 } },
  [`POST ${T}/destinations/{id}/secrets`]: { body: { overlapSeconds: 0 } },
  [`GET ${T}/events`]: { query: '?from=2026-01-01T00:00:00%2B02:00&state=projected' },
  [`GET ${T}/events/{id}`]: { params: event },
  [`GET ${T}/events/{id}/timeline`]: { params: event },
  [`GET ${T}/events/{id}/payload`]: { params: event },
  [`GET ${T}/events/{id}/media/{index}`]: { params: { ...event, index: '0' } },
  [`GET ${T}/messages/{id}`]: { params: message },
  [`POST ${T}/messages`]: { body: send },
  [`POST ${T}/messages/{id}/cancel`]: { params: message },
  [`POST ${T}/messages/{id}/resolve`]: {
    params: message,
    body: { outcome: 'sent', reason: 'seen at the provider' },
  },
  [`GET ${T}/conversations`]: { query: `?personId=${PERSON_ID}&state=claimed` },
  [`GET ${T}/conversations/{id}`]: { params: conversation },
  [`GET ${T}/conversations/{id}/handoff`]: { params: conversation, query: '?historyLimit=20' },
  [`POST ${T}/conversations/{id}/handoff`]: {
    params: conversation,
    body: { reason: 'user_request', intent: 'refund', sentiment: { label: 'angry', score: 0.9 } },
  },
  [`POST ${T}/conversations/{id}/claim`]: { params: conversation, body: { offerTimeoutSeconds: 30 } },
  [`POST ${T}/conversations/{id}/accept`]: { params: conversation, body: { fencingToken: 7 } },
  [`POST ${T}/conversations/{id}/release`]: { params: conversation, body: { fencingToken: 7, to: 'bot' } },
  [`POST ${T}/conversations/{id}/close`]: { params: conversation, body: { fencingToken: 7, note: 'solved' } },
  [`POST ${T}/rules`]: { body: ruleBody },
  [`GET ${T}/rules`]: { query: '?limit=1' },
  [`GET ${T}/rules/{id}`]: { params: rule, query: '?version=2' },
  [`PATCH ${T}/rules/{id}`]: {
    params: rule,
    body: { then: { action: 'tag', tag: 'vip', target: 'message' } },
  },
  [`DELETE ${T}/rules/{id}`]: { params: rule },
  [`POST ${T}/rules/{id}/dry-run`]: { params: rule, body: { from: '2026-01-01T00:00:00Z', limit: 100 } },
  [`GET ${T}/rules/{id}/effects`]: { params: rule, query: `?state=done&triggerEventId=${EVENT.id}` },
  [`GET ${T}/refusals`]: { query: `?source=${EVENT.sourceId}` },
  [`GET ${T}/drift`]: { query: '?provider=twilio' },
  [`GET ${T}/drift/fields`]: { query: '?provider=twilio&kind=sms&change=missing' },
  [`POST ${T}/drift/reprocess`]: { body: { filter: { provider: 'twilio', kind: 'voice' } } },
  [`GET ${T}/quarantine`]: { query: '?type=message.delivered&from=2026-01-01T00:00:00Z' },
  [`POST ${T}/quarantine/retry`]: { body: { filter: { eventIds: [EVENT.id] } } },
  [`GET ${T}/deliveries/{id}`]: { params: delivery },
  [`POST ${T}/deliveries/{id}/retry`]: { params: delivery },
  [`POST ${T}/dead-letters/redrive`]: { body: { limit: 5 } },
  [`GET ${T}/suppressions`]: { query: `?personId=${PERSON_ID}&includeLifted=true` },
  [`POST ${T}/suppressions`]: { body: { address: '+436601234567' } },
  [`POST ${T}/suppressions/import`]: { raw: '{"address":"+43660000002"}\n' },
  [`POST ${T}/suppressions/{id}/correct`]: { params: suppression, body: { note: 'typo', channel: 'sms' } },
  [`DELETE ${T}/suppressions/{id}`]: { params: suppression, query: '?reason=mistake' },
  [`POST ${T}/reviews/{id}/confirm`]: { params: event, body: { note: 'clear enough' } },
  [`POST ${T}/reviews/{id}/lift`]: { params: event, body: { note: 'about a train stop' } },
  [`POST ${T}/consents`]: {
    body: { address: 'jo@example.com', status: 'opted_in', proof: { method: 'web_form', wording: 'yes' } },
  },
  [`POST ${T}/consents/import`]: {
    raw: '{"address":"+43660000002","status":"opted_in","occurredAt":"2026-01-01T00:00:00Z"}\n',
  },
  [`POST ${T}/people/lookup`]: { body: { address: '+436601234567', channel: 'sms' } },
  [`GET ${T}/people/{id}/timeline`]: { params: person },
  [`POST ${T}/people/{id}/link`]: { params: person, body: { addresses: ['jo@example.com'] } },
  [`POST ${T}/people/{id}/erase`]: { params: person },
  [`GET ${T}/erasures/{id}`]: { params: { id: ERASURE_ID } },
  [`GET ${T}/decisions`]: { query: `?personId=${PERSON_ID}&messageId=${MESSAGE.id}&decision=defer` },
  [`PUT ${T}/policies`]: { body: policy },
  [`POST ${T}/keys/rotate`]: { body: {} },
  [`POST ${T}/keys/persons/rotate`]: { body: {} },
  [`POST ${T}/suspend`]: { body: { reason: 'unpaid' } },
  [`POST ${T}/resume`]: { body: { reason: 'paid' } },
  [`POST ${T}/sends/pause`]: { body: { reason: 'wrong text' } },
  [`POST ${T}/sends/resume`]: { body: { reason: 'text is right' } },
  'POST /v1/sends/pause': { body: { reason: 'drill' } },
  'POST /v1/sends/resume': { body: { reason: 'drill over' } },
  'POST /v1/operators/keys': { body: { name: 'on call' } },
  'POST /v1/operators/keys/rotate': { body: { overlapSeconds: 60 } },
  'POST /v1/keys/rotate': { body: { newVersion: true } },
};
