import { parseId } from '@posthorn/clock/id.js';
import {
  ConsentQueryServiceService,
  ConsentServiceService,
  DecisionQueryServiceService,
  type ImportConsentsRequest,
  type ImportSuppressionsRequest,
  type ListSuppressionsRequest,
  PersonQueryServiceService,
  PersonServiceService,
  PolicyServiceService,
  SuppressionQueryServiceService,
  SuppressionServiceService,
} from '@posthorn/contracts/posthorn/compliance/v1/compliance.js';
import {
  CommandQueryServiceService,
  CommandServiceService,
  DeliveryQueryServiceService,
  DeliveryServiceService,
  ErasureServiceService,
  NotificationRouteServiceService,
  RetentionQueryServiceService,
} from '@posthorn/contracts/posthorn/dispatcher/v1/dispatcher.js';
import {
  ConversationQueryServiceService,
  EventQueryServiceService,
  HandoffServiceService,
  IntakeOperationServiceService,
  IntakeQueryServiceService,
  RuleQueryServiceService,
  RuleServiceService,
} from '@posthorn/contracts/posthorn/events/v1/events.js';
import { AppError } from '@posthorn/errors/app-error.js';
import { type ErrorCode } from '@posthorn/errors/registry.js';
import { MEDIA_HANDLERS } from './played-media.js';
import { erasureAsItIs, purged } from './played-erasures.js';
import { POLICY_HANDLERS } from './played-policies.js';
import { playedKeyChange } from './played-key-change.js';
import { withStatus } from './played-status.js';
import { REPROCESSING, REPROCESSING_ASKED } from './played-reprocessing.js';
import {
  ATTEMPT,
  COMMAND,
  CONSENT,
  CONVERSATION,
  DECISION,
  DELIVERY,
  DRIFT,
  DRIFT_FIELD,
  ERASURE,
  EVENT,
  HANDOFF,
  HEALTH,
  HISTORY_ENTRY,
  LINKED_ID,
  MESSAGE,
  nowMs,
  PERSON_EVENT,
  PERSON_ID,
  QUARANTINED,
  REFUSAL,
  RETENTION_RUN,
  SENT_RETENTION_RUN,
  REVIEW,
  RULE,
  RULE_EFFECT,
  SUPPRESSION,
} from './played-things.js';

/** What a service answers to the tenant whose things it plays, and what to every other. */
interface Played {
  readonly own: (request: never, world: PlayedWorld) => unknown;
  /** A code, or an answer that has nothing in it. */
  readonly other: ErrorCode | object;
}

/** One service and what it answers to each method. */
export interface PlayedService {
  readonly service: string;
  readonly definitions: readonly {
    readonly definition: object;
    readonly handlers: Readonly<Record<string, Played>>;
  }[];
}

/** A call that a played service got. */
export interface PlayedCall {
  readonly method: string;
  readonly request: { readonly tenantId: string } & Readonly<Record<string, unknown>>;
}

/** What the played services know: whose things they have, and what they were asked. */
export class PlayedWorld {
  /** `ten_…`; while it is undefined they have the things of everybody. */
  ownerId: string | undefined;
  readonly calls: PlayedCall[] = [];
  /** How far every erasure is. */
  readonly erasure = { completedAtMs: ERASURE.completedAtMs };
  /** What the next calls are refused with, whatever they ask for. */
  readonly refusals: { readonly method: string; readonly code: ErrorCode }[] = [];

  /** @throws AppError as the service would, for what is not there for this tenant. */
  answer(method: string, { own, other }: Played, request: PlayedCall['request']): unknown {
    this.calls.push({ method, request });
    if (this.refusals[0]?.method === method) throw new AppError(this.refusals.shift()!.code);
    if (this.ownerId === undefined || request.tenantId === this.ownerId) return own(request as never, this);
    if (typeof other === 'string') throw new AppError(other);
    return other;
  }

  /** The last request to a method. */
  lastOf(method: string): PlayedCall['request'] {
    return this.requestsOf(method).at(-1)!;
  }

  /** All requests to a method, of whatever service, in order. */
  requestsOf(method: string): PlayedCall['request'][] {
    return this.calls.filter((call) => call.method === method).map(({ request }) => request);
  }
}

const always =
  (answer: unknown): Played['own'] =>
  () =>
    answer;
const empty = (name: string): object => ({ [name]: [], nextCursor: '' });
const list = (name: string, item: unknown, nextCursor = ''): Played => ({
  own: always({ [name]: [item], nextCursor }),
  other: empty(name),
});
const one = (name: string, item: unknown, other: ErrorCode): Played => ({
  own: always({ [name]: item }),
  other,
});
const done = (other: ErrorCode | object): Played => ({ own: always({}), other });

const step = (stage: string, atMs: number, toState = '') => ({
  ...{ atMs, stage, toState, effect: toState === '' ? '' : 'applied' },
  ...{ detail: '', factId: '', messageId: '', fromState: '', conversationId: '' },
});
const resultsOf = (rows: readonly { readonly address: string }[]) => ({
  results: rows.map(({ address }) => ({
    outcome: address.endsWith('1') ? 'known' : address.endsWith('9') ? 'refused' : 'created',
    ...{ id: SUPPRESSION.id, path: 'address', detail: 'is no address' },
  })),
});

const EVENTS: PlayedService = {
  service: 'events',
  definitions: [
    {
      definition: EventQueryServiceService,
      handlers: {
        listEvents: list('events', EVENT, 'next'),
        ...MEDIA_HANDLERS,
        getEventTimeline: {
          own: always({
            event: EVENT,
            entries: [
              ...[step('received', nowMs), step('stored', nowMs + 1)],
              step('transition', nowMs + 2, 'delivered'),
            ],
            factIds: [DELIVERY.factId],
          }),
          other: 'event.not_found',
        },
        listMessages: list('messages', MESSAGE),
        getMessage: one('message', MESSAGE, 'message.not_found'),
      },
    },
    {
      definition: ConversationQueryServiceService,
      handlers: {
        listConversations: list('conversations', CONVERSATION),
        getConversation: {
          own: always({ conversation: CONVERSATION, messages: [MESSAGE], handoff: HANDOFF }),
          other: 'conversation.not_found',
        },
        listAgentQueue: list('handoffs', HANDOFF),
        getHandoff: {
          own: always({ handoff: HANDOFF, packageJson: '{"version":1}', flatJson: '{"intent":"refund"}' }),
          other: 'handoff.not_found',
        },
        listPersonEvents: list('events', PERSON_EVENT),
      },
    },
    {
      definition: HandoffServiceService,
      handlers: {
        createHandoff: {
          own: ({ key }: { key: string }) => ({ handoff: HANDOFF, isNew: key !== 'again' }),
          other: 'conversation.not_found',
        },
        claimConversation: one('handoff', HANDOFF, 'conversation.not_found'),
        acceptHandoff: one('handoff', HANDOFF, 'conversation.not_found'),
        releaseConversation: one('handoff', HANDOFF, 'conversation.not_found'),
        closeConversation: done('conversation.not_found'),
      },
    },
    {
      definition: RuleServiceService,
      handlers: {
        createRule: one('rule', RULE, 'tenant.not_found'),
        updateRule: one('rule', RULE, 'rule.not_found'),
        deleteRule: done('rule.not_found'),
        dryRunRule: {
          own: always({
            ...{ eventsRead: 200, eventsOfType: 9, wouldFire: 1, wouldRepeat: 1, errors: 0 },
            samples: [{ eventId: EVENT.id, type: EVENT.type, outcome: 'fire', detail: 'Thanks' }],
          }),
          other: 'rule.not_found',
        },
      },
    },
    {
      definition: RuleQueryServiceService,
      handlers: {
        listRules: { own: always({ rules: [RULE, { ...RULE, id: 'rul_0' }] }), other: { rules: [] } },
        getRule: one('rule', RULE, 'rule.not_found'),
        listRuleEffects: { ...list('effects', RULE_EFFECT), other: 'rule.not_found' },
      },
    },
    {
      definition: IntakeQueryServiceService,
      handlers: {
        listRefusals: list('refusals', REFUSAL),
        listDrift: list('drift', DRIFT),
        listDriftFields: list('fields', DRIFT_FIELD),
        listQuarantine: list('events', QUARANTINED),
        listReprocessings: list('reprocessings', REPROCESSING),
        getSourceHealth: { own: always(HEALTH), other: {} },
        listRetentionRuns: list('runs', RETENTION_RUN),
        getErasure: { own: erasureAsItIs, other: 'request.not_found' },
      },
    },
    {
      definition: IntakeOperationServiceService,
      handlers: {
        requestReprocessing: REPROCESSING_ASKED,
        requestReverification: { own: always({ requests: 50 }), other: { requests: 0 } },
        retryQuarantine: { own: always({ events: 2, hasMore: false }), other: { events: 0, hasMore: false } },
        erasePerson: {
          own: erasureAsItIs,
          other: { erasure: { ...ERASURE, erased: [] } },
        },
        purgeTenant: purged([{ table: 'raw', rows: 5n }]),
      },
    },
  ],
};

const DISPATCHER: PlayedService = {
  service: 'dispatcher',
  definitions: [
    {
      definition: DeliveryQueryServiceService,
      handlers: {
        listDeliveries: list('deliveries', DELIVERY),
        getDelivery: one('delivery', DELIVERY, 'delivery.not_found'),
      },
    },
    {
      definition: DeliveryServiceService,
      handlers: {
        retryDelivery: one(
          'delivery',
          { ...DELIVERY, state: 'pending', nextAttemptAtMs: nowMs },
          'delivery.not_found',
        ),
        redriveDeadLetters: { own: always({ redriven: 3 }), other: { redriven: 0 } },
        testDestination: one('attempt', ATTEMPT, 'destination.not_found'),
      },
    },
    {
      definition: NotificationRouteServiceService,
      handlers: {
        listNotificationRoutes: { own: always({ channels: ['webhook'] }), other: { channels: ['webhook'] } },
      },
    },
    {
      definition: CommandQueryServiceService,
      handlers: {
        getMessageCommand: one('command', COMMAND, 'message.not_found'),
        listMessageCommands: list('commands', COMMAND),
      },
    },
    {
      definition: CommandServiceService,
      handlers: {
        createMessage: one('command', { ...COMMAND, state: 'accepted' }, 'source.not_found'),
        cancelMessage: one('command', { ...COMMAND, state: 'canceled' }, 'message.not_found'),
        resolveMessage: one('command', COMMAND, 'message.not_found'),
      },
    },
    {
      definition: ErasureServiceService,
      handlers: {
        erasePerson: {
          own: always({ erased: [{ table: 'command_content', rows: 2n }] }),
          other: { erased: [] },
        },
        purgeTenant: purged([{ table: 'command_content', rows: 2n }]),
      },
    },
    {
      definition: RetentionQueryServiceService,
      handlers: { listRetentionRuns: list('runs', SENT_RETENTION_RUN) },
    },
  ],
};

/** As many as make two pages of an export; of the linked person the second one cannot be read. */
const suppressionsPage = ({ cursor, limit, personId }: ListSuppressionsRequest) => {
  if (personId === LINKED_ID && cursor !== '') throw new AppError('store.unavailable');
  if (limit < 500) return { suppressions: [SUPPRESSION], nextCursor: '' };
  return {
    suppressions: Array.from({ length: 2 }, () => SUPPRESSION),
    nextCursor: cursor === '' ? 'two' : '',
  };
};

const COMPLIANCE: PlayedService = {
  service: 'compliance',
  definitions: [
    {
      definition: SuppressionQueryServiceService,
      handlers: {
        listSuppressions: { own: suppressionsPage, other: empty('suppressions') },
        checkAddress: done({}),
        listReviews: list('reviews', REVIEW),
      },
    },
    {
      definition: SuppressionServiceService,
      handlers: {
        createSuppression: one('suppression', SUPPRESSION, 'tenant.not_found'),
        deleteSuppression: done('suppression.not_found'),
        correctSuppression: one('suppression', SUPPRESSION, 'suppression.not_found'),
        importSuppressions: {
          own: ({ rows }: ImportSuppressionsRequest) => resultsOf(rows),
          other: 'tenant.not_found',
        },
        decideReview: one('review', { ...REVIEW, state: 'confirmed' }, 'review.not_found'),
      },
    },
    {
      definition: ConsentQueryServiceService,
      handlers: { listConsents: list('consents', CONSENT) },
    },
    {
      definition: ConsentServiceService,
      handlers: {
        createConsent: one('consent', CONSENT, 'tenant.not_found'),
        importConsents: {
          own: ({ rows }: ImportConsentsRequest) => resultsOf(rows),
          other: 'tenant.not_found',
        },
      },
    },
    {
      definition: PersonQueryServiceService,
      handlers: {
        lookupPerson: {
          own: always({
            personId: PERSON_ID,
            linkedPersonIds: [LINKED_ID],
            suppressions: [SUPPRESSION],
            personHashes: [PERSON_ID, LINKED_ID].map((each) => parseId('per', each)!),
          }),
          other: { personId: 'per_none', linkedPersonIds: [], suppressions: [], personHashes: [] },
        },
        listPersonHistory: list('entries', HISTORY_ENTRY),
        getPersonKeyChange: playedKeyChange(always),
      },
    },
    {
      definition: PersonServiceService,
      handlers: {
        linkPersons: { own: always({ personIds: [PERSON_ID, LINKED_ID] }), other: { personIds: [] } },
        erasePerson: {
          own: always({ erased: [{ table: 'consent_proof', rows: 1 }] }),
          other: { erased: [] },
        },
        purgeTenant: purged([{ table: 'consent_proof', rows: 1 }]),
      },
    },
    {
      definition: DecisionQueryServiceService,
      handlers: { listDecisions: list('decisions', DECISION) },
    },
    {
      definition: PolicyServiceService,
      handlers: POLICY_HANDLERS,
    },
  ],
};

/** The services that are not the real ones here: one thing of each kind. */
export const PLAYED_SERVICES: readonly PlayedService[] = [EVENTS, DISPATCHER, COMPLIANCE].map(withStatus);
