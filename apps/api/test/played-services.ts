import { SystemClock } from '@posthorn/clock/clock.js';
import { formatId, newUuid } from '@posthorn/clock/id.js';
import {
  type Suppression,
  SuppressionQueryServiceService,
  SuppressionServiceService,
} from '@posthorn/contracts/posthorn/compliance/v1/compliance.js';
import {
  type Attempt,
  type Delivery,
  DeliveryQueryServiceService,
  DeliveryServiceService,
} from '@posthorn/contracts/posthorn/dispatcher/v1/dispatcher.js';
import {
  type Event,
  EventQueryServiceService,
  type Message,
} from '@posthorn/contracts/posthorn/events/v1/events.js';

const nowMs = new SystemClock().nowMs();
const id = (prefix: Parameters<typeof formatId>[0]): string => formatId(prefix, newUuid(nowMs));

export const EVENT: Event = {
  id: id('evt'),
  type: 'message.delivered',
  sourceId: id('src'),
  provider: 'twilio',
  channel: 'sms',
  providerEventId: '',
  providerMessageId: 'SM1',
  messageId: id('msg'),
  conversationId: '',
  occurredAtMs: 0,
  receivedAtMs: nowMs,
  state: 'projected',
  correlationId: '4bf92f3577b34da6a3ce929d0e0e4736',
  secretId: id('sec'),
  signal: '',
  status: 'delivered',
};
const MESSAGE: Message = {
  id: EVENT.messageId,
  state: 'delivered',
  stateChangedAtMs: nowMs,
  channel: 'sms',
  direction: 'outbound',
  providerMessageId: 'SM1',
  sourceId: EVENT.sourceId,
  conversationId: '',
  campaign: '',
  isContradicted: false,
  replyToMessageId: '',
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
};
const ATTEMPT: Attempt = {
  id: id('att'),
  number: 1,
  startedAtMs: nowMs + 4,
  durationMs: 2.5,
  statusCode: 204,
  outcome: 'succeeded',
  detail: '',
};
const DELIVERY: Delivery = {
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
const SUPPRESSION: Suppression = {
  id: id('sup'),
  personHash: '00'.repeat(16),
  channel: 'all',
  scope: 'all',
  reason: 'manual',
  eventId: '',
  createdAtMs: nowMs,
  personId: id('per'),
  liftedAtMs: 0,
  liftedReason: '',
};

const step = (stage: string, atMs: number, toState = '') => ({
  atMs,
  stage,
  detail: '',
  factId: '',
  messageId: '',
  fromState: '',
  toState,
  effect: toState === '' ? '' : 'applied',
});

/** One service and what it answers to each method. */
export interface PlayedService {
  readonly service: string;
  readonly definitions: readonly {
    readonly definition: object;
    readonly handlers: Readonly<Record<string, (request: unknown) => unknown>>;
  }[];
}

/** What the three services that are only read from here answer: one thing of each kind. */
export const PLAYED_SERVICES: readonly PlayedService[] = [
  {
    service: 'events',
    definitions: [
      {
        definition: EventQueryServiceService,
        handlers: {
          listEvents: () => ({ events: [EVENT], nextCursor: 'next' }),
          getEvent: () => ({ event: EVENT }),
          getEventTimeline: () => ({
            event: EVENT,
            entries: [
              step('received', nowMs),
              step('stored', nowMs + 1),
              step('transition', nowMs + 2, 'delivered'),
            ],
            factIds: [DELIVERY.factId],
          }),
          getEventPayload: () => ({
            request: {
              method: 'POST',
              target: '/in/a/b',
              headers: ['X-A', '1', 'x-b', '2'],
              body: Buffer.from('raw'),
            },
            content: { from: '+1', to: '+2', text: '', subject: '', mediaUrls: [] },
          }),
          listMessages: () => ({ messages: [MESSAGE], nextCursor: '' }),
          getMessage: () => ({ message: MESSAGE }),
        },
      },
    ],
  },
  {
    service: 'dispatcher',
    definitions: [
      {
        definition: DeliveryQueryServiceService,
        handlers: {
          listDeliveries: () => ({ deliveries: [DELIVERY], nextCursor: '' }),
          getDelivery: () => ({ delivery: DELIVERY }),
        },
      },
      {
        definition: DeliveryServiceService,
        handlers: {
          retryDelivery: () => ({ delivery: { ...DELIVERY, state: 'pending', nextAttemptAtMs: nowMs } }),
          redriveDeadLetters: () => ({ redriven: 3 }),
          testDestination: () => ({ attempt: ATTEMPT }),
        },
      },
    ],
  },
  {
    service: 'compliance',
    definitions: [
      {
        definition: SuppressionQueryServiceService,
        handlers: {
          listSuppressions: () => ({ suppressions: [SUPPRESSION], nextCursor: '' }),
          checkAddress: () => ({ isSuppressed: true, suppressions: [SUPPRESSION] }),
        },
      },
      {
        definition: SuppressionServiceService,
        handlers: {
          createSuppression: () => ({ suppression: SUPPRESSION }),
          deleteSuppression: () => ({}),
        },
      },
    ],
  },
];
