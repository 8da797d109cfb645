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
  type Event,
  type Handoff,
  type Message,
  type PersonEvent,
} from '@posthorn/contracts/posthorn/events/v1/events.js';

export const nowMs = new SystemClock().nowMs();
const uuid = (): Buffer => newUuid(nowMs);
const id = (prefix: Parameters<typeof formatId>[0]): string => formatId(prefix, uuid());

export const PERSON_HASH = uuid();
export const PERSON_ID = formatId('per', PERSON_HASH);
export const LINKED_ID = id('per');

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

/** What every one of these can be told by. */
export const OWNED_IDS: readonly string[] = [
  ...[EVENT, MESSAGE, DELIVERY, COMMAND, CONVERSATION, HANDOFF, SUPPRESSION, CONSENT, DECISION].map(
    (thing) => thing.id,
  ),
  ...[PERSON_ID, LINKED_ID],
];
