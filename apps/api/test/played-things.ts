import { SystemClock } from '@posthorn/clock/clock.js';
import { formatId, newUuid } from '@posthorn/clock/id.js';
import {
  type Consent,
  type Decision,
  type PersonHistoryEntry,
  type Review,
  type Suppression,
} from '@posthorn/contracts/posthorn/compliance/v1/compliance.js';
import {
  type Attempt,
  type Delivery,
  type MessageCommand,
} from '@posthorn/contracts/posthorn/dispatcher/v1/dispatcher.js';
import {
  type Conversation,
  type Drift,
  type DriftField,
  type Erasure,
  type Event,
  type EventMedium,
  type GetSourceHealthResponse,
  type Handoff,
  type Message,
  type PersonEvent,
  type QuarantinedEvent,
  type RefusedRequest,
  type RetentionRun,
  type Rule,
  type RuleEffect,
} from '@posthorn/contracts/posthorn/events/v1/events.js';

export const nowMs = new SystemClock().nowMs();
const uuid = (): Buffer => newUuid(nowMs);
const id = (prefix: Parameters<typeof formatId>[0]): string => formatId(prefix, uuid());

export const PERSON_HASH = uuid();
export const PERSON_ID = formatId('per', PERSON_HASH);
export const LINKED_HASH = uuid();
export const LINKED_ID = formatId('per', LINKED_HASH);

export const EVENT: Event = {
  id: id('evt'),
  type: 'message.delivered',
  sourceId: id('src'),
  provider: 'twilio',
  channel: 'sms',
  providerEventId: '',
  providerMessageId: 'SM1',
  messageId: id('msg'),
  conversationId: id('cnv'),
  occurredAtMs: 0,
  receivedAtMs: nowMs,
  state: 'projected',
  correlationId: '4bf92f3577b34da6a3ce929d0e0e4736',
  secretId: id('sec'),
  signal: '',
  status: 'delivered',
};
const SETTLED = { attempts: 1, settledAtMs: nowMs } as const;
export const MEDIA: EventMedium[] = [
  { index: 0, state: 'stored', reason: '', contentType: 'image/png', bytes: 9, ...SETTLED },
  { index: 1, state: 'gone', reason: 'http_404', contentType: '', bytes: 0, ...SETTLED },
];
export const MESSAGE: Message = {
  id: EVENT.messageId,
  state: 'delivered',
  stateChangedAtMs: nowMs,
  channel: 'sms',
  direction: 'outbound',
  providerMessageId: 'SM1',
  sourceId: EVENT.sourceId,
  conversationId: EVENT.conversationId,
  campaign: '',
  isContradicted: false,
  createdAtMs: nowMs,
  transitions: [
    {
      eventId: EVENT.id,
      fromState: '',
      toState: 'delivered',
      occurredAtMs: 0,
      receivedAtMs: nowMs,
      effect: 'applied',
    },
  ],
  replyToMessageId: '',
  tags: ['vip'],
};
export const ATTEMPT: Attempt = {
  id: id('att'),
  number: 1,
  startedAtMs: nowMs + 4,
  durationMs: 2.5,
  statusCode: 204,
  outcome: 'succeeded',
  detail: '',
};
export const DELIVERY: Delivery = {
  id: id('dlv'),
  factId: id('fct'),
  eventId: EVENT.id,
  destinationId: id('dst'),
  type: 'message.delivered',
  state: 'succeeded',
  attemptCount: 1,
  nextAttemptAtMs: 0,
  createdAtMs: nowMs + 3,
  finishedAtMs: nowMs + 7,
  attempts: [ATTEMPT],
};
export const COMMAND: MessageCommand = {
  id: MESSAGE.id,
  sourceId: EVENT.sourceId,
  channel: 'sms',
  category: 'marketing',
  campaign: '',
  state: 'sent',
  stateChangedAtMs: nowMs,
  decisionRule: 'quiet_hours.us_federal',
  decisionDetail: 'not before 08:00',
  errorCode: '',
  detail: '',
  providerMessageId: 'SM1',
  attemptCount: 1,
  nextAttemptAtMs: 0,
  notAfterMs: nowMs + 1_000,
  createdAtMs: nowMs - 10,
  finishedAtMs: nowMs,
  sender: 'bot',
  conversationId: EVENT.conversationId,
  ruleId: '',
  triggerEventId: '',
  isWaitingForPerson: false,
  attempts: [
    {
      number: 1,
      startedAtMs: nowMs - 5,
      durationMs: 3,
      outcome: 'sent',
      errorCode: '',
      detail: '',
      permitId: id('evt'),
    },
  ],
  personHash: PERSON_HASH.toString('hex'),
};
export const CONVERSATION: Conversation = {
  id: EVENT.conversationId,
  state: 'claimed',
  stateChangedAtMs: nowMs,
  channel: 'sms',
  personHash: PERSON_HASH,
  campaign: '',
  lastMessageAtMs: nowMs,
  lastInboundAtMs: nowMs,
  inboundCount: 2,
  outboundCount: 1,
  isOptedOut: false,
  createdAtMs: nowMs - 100,
  tags: [],
};
export const HANDOFF: Handoff = {
  id: id('evt'),
  conversationId: CONVERSATION.id,
  state: 'claimed',
  reason: 'user_request',
  requestedAtMs: nowMs - 50,
  requestedBy: 'bot',
  claimedBy: id('key'),
  claimedAtMs: nowMs - 40,
  offerUntilMs: 0,
  fencingToken: 7n,
  queue: '',
  priority: 0,
  attempts: 1,
};
export const PERSON_EVENT: PersonEvent = {
  eventId: EVENT.id,
  type: EVENT.type,
  provider: 'twilio',
  sourceId: EVENT.sourceId,
  messageId: MESSAGE.id,
  conversationId: CONVERSATION.id,
  channel: 'sms',
  direction: 'outbound',
  campaign: '',
  signal: '',
  errorCode: '',
  note: '',
  fromState: 'sent',
  toState: 'delivered',
  effect: 'applied',
  conversationFromState: '',
  conversationToState: '',
  occurredAtMs: 0,
  receivedAtMs: nowMs,
  projectedAtMs: nowMs,
  personHash: PERSON_HASH,
};
export const SUPPRESSION: Suppression = {
  id: id('sup'),
  personHash: PERSON_HASH.toString('hex'),
  channel: 'all',
  scope: 'news, "and" more',
  reason: 'manual',
  eventId: '',
  createdAtMs: nowMs,
  personId: PERSON_ID,
  liftedAtMs: 0,
  liftedReason: '',
};
export const CONSENT: Consent = {
  id: id('evt'),
  personId: PERSON_ID,
  channel: 'sms',
  program: 'news',
  kind: 'opted_in',
  status: 'suppressed',
  occurredAtMs: nowMs - 5,
  createdAtMs: nowMs,
  eventId: '',
  actorId: id('key'),
  proof: {
    eventId: '',
    wording: 'yes, please',
    wordingVersion: '3',
    method: 'web_form',
    url: 'https://example.com/',
    ip: '192.0.2.1',
    note: '',
  },
};
export const REVIEW: Review = {
  eventId: EVENT.id,
  personId: PERSON_ID,
  channel: 'sms',
  confidence: 'low',
  state: 'open',
  createdAtMs: nowMs,
  decidedAtMs: 0,
  decidedBy: '',
};
export const DECISION: Decision = {
  id: id('evt'),
  atMs: nowMs - 8,
  messageId: MESSAGE.id,
  sourceId: EVENT.sourceId,
  personId: PERSON_ID,
  channel: 'sms',
  category: 'marketing',
  program: '',
  decision: 'defer',
  rule: 'quiet_hours.us_federal',
  detail: 'not before 08:00',
  untilMs: nowMs + 1,
  isReplay: false,
  policyVersion: 2,
  factsJson: '{"consent":"opted_in"}',
  outcome: '',
};
export const HISTORY_ENTRY: PersonHistoryEntry = {
  atMs: DECISION.atMs,
  kind: 'decision',
  id: DECISION.id,
  personId: PERSON_ID,
  channel: 'sms',
  what: 'defer',
  rule: DECISION.rule,
  detail: DECISION.detail,
  eventId: '',
  messageId: MESSAGE.id,
  actorId: '',
};

export const RULE: Rule = {
  id: id('rul'),
  name: 'thank',
  version: 2,
  enabled: true,
  when: { types: ['message.received'], expression: "message.text == ''", once: 'event' },
  then: {
    action: {
      $case: 'send',
      value: {
        ...{ sourceId: EVENT.sourceId, category: 'transactional', text: 'Thanks', subject: '' },
        ...{ templateName: '', templateLanguage: '', templateParameters: [], campaign: '', program: '' },
        answers: false,
      },
    },
  },
  createdAtMs: nowMs - 100,
  changedAtMs: nowMs,
  changedBy: id('key'),
  firedCount: 3n,
  lastFiredAtMs: nowMs,
  errorCount: 0n,
  lastError: '',
  lastErrorAtMs: 0,
};
export const RULE_EFFECT: RuleEffect = {
  id: id('req'),
  ruleId: RULE.id,
  ruleVersion: 2,
  triggerEventId: EVENT.id,
  conversationId: CONVERSATION.id,
  messageId: '',
  action: 'send',
  state: 'done',
  result: MESSAGE.id,
  errorCode: '',
  detail: '',
  attemptCount: 1,
  firedAtMs: nowMs,
  finishedAtMs: nowMs + 1,
};
export const REFUSAL: RefusedRequest = {
  id: id('req'),
  sourceId: EVENT.sourceId,
  provider: 'twilio',
  receivedAtMs: nowMs - 9,
  cause: 'signature.mismatch',
  headers: ['content-type', 'application/json', 'x-twilio-signature', ''],
  sizeBytes: 120,
  state: 'kept',
  judgedAtMs: 0,
};
export const DRIFT: Drift = {
  provider: 'twilio',
  kind: '',
  reason: 'unknown type',
  count: 4n,
  firstSeenAtMs: nowMs - 50,
  lastSeenAtMs: nowMs,
  firstEventId: EVENT.id,
  lastEventId: EVENT.id,
};
export const DRIFT_FIELD: DriftField = {
  ...{ provider: 'twilio', kind: 'sms', path: '/MediaUrl#', change: 'missing', type: '', count: 50n },
  ...{ firstSeenAtMs: nowMs - 50, lastSeenAtMs: nowMs, firstEventId: EVENT.id },
};
export const QUARANTINED: QuarantinedEvent = {
  eventId: EVENT.id,
  type: EVENT.type,
  provider: 'twilio',
  sourceId: EVENT.sourceId,
  cause: 'internal.error',
  quarantinedAtMs: nowMs,
};
export const HEALTH: GetSourceHealthResponse = {
  firstEventAtMs: nowMs - 1_000,
  lastEventAtMs: nowMs,
  eventsStored: 50n,
  eventsDuplicate: 2n,
  eventsUnrecognized: 1n,
  eventsUnauthentic: 0n,
  lastSecretId: EVENT.secretId,
  lastSecretAtMs: nowMs,
  quarantined: 0,
  parked: 0,
  refusalsKept: 3,
  lastRefusalAtMs: nowMs - 500,
  ...{ optOuts: 1n, requestsAuthentic: 97n },
};
export const RETENTION_RUN: RetentionRun = {
  id: 'run',
  atMs: nowMs,
  dataClass: 'raw',
  beforeMs: nowMs - 86_400_000,
  rows: 7n,
  partitions: ['raw_p20261124'],
  keyIds: ['dek_0123456789abcdefghjkmnpqrs'],
};
export const SENT_RETENTION_RUN: RetentionRun = {
  ...RETENTION_RUN,
  ...{
    id: 'run-of-dispatcher',
    atMs: nowMs - 1,
    dataClass: 'content',
    partitions: ['command_content_p20261124'],
  },
};
export const ERASURE: Erasure = {
  id: uuid(),
  requestedAtMs: nowMs,
  isComplete: true,
  completedAtMs: nowMs + 5,
  erased: [{ table: 'content', rows: 6n }],
  personHashes: [PERSON_HASH, LINKED_HASH],
};
export const ERASURE_ID = formatId('req', ERASURE.id);

/** What every one of these can be told by. */
export const OWNED_IDS: readonly string[] = [
  ...[EVENT, MESSAGE, DELIVERY, COMMAND, CONVERSATION, HANDOFF, SUPPRESSION, CONSENT, DECISION].map(
    (thing) => thing.id,
  ),
  ...[RULE, RULE_EFFECT, REFUSAL].map((thing) => thing.id),
  ...[PERSON_ID, LINKED_ID, ERASURE_ID],
];
