import fc from 'fast-check';
import { newUuid } from '@posthorn/clock/id.js';
import {
  loggedEvent,
  NOW_MS,
  reply,
  RowsInMemory,
  ruleVersion,
  sending,
  tagging,
} from '../../test/rule.builder.js';
import { NO_SOURCE } from './intake.js';
import { OWN_SERVICE, type LoggedEvent } from './project-event.js';
import { compileRule, judgeRule, mayTrigger, type Firing, type Judgement } from './rule-firing.js';
import { RuleSet, TENANT_COST_MAX } from './rule-set.js';
import type { RuleAction, RuleDefinition } from './rule.js';

const NEVER = { optedOutAtMs: 0, optedInAtMs: 0 };
const CLOSED_MS = NOW_MS + 10_000;

const judge = (definition: Partial<RuleDefinition>, event: LoggedEvent): Judgement | undefined =>
  judgeRule(compileRule(ruleVersion(definition)), new RowsInMemory().project([event]).seen[0]!, NEVER);

/** What the store keeps of firings: each key once. */
function fired(definition: Partial<RuleDefinition>, batches: readonly (readonly LoggedEvent[])[]): Firing[] {
  const rule = compileRule(ruleVersion(definition));
  const rows = new RowsInMemory();
  const byKey = new Map<string, Firing>();
  for (const events of batches)
    for (const seen of rows.project(events).seen) {
      const judgement = judgeRule(rule, seen, NEVER);
      if (judgement?.kind !== 'fires') continue;
      const key = judgement.firing.triggerKey.toString('hex');
      if (!byKey.has(key)) byKey.set(key, judgement.firing);
    }
  return [...byKey.values()];
}

const closed = (atMs = CLOSED_MS): LoggedEvent =>
  loggedEvent(
    'conversation.closed',
    { providerMessageId: '', channel: 'sms' },
    { sourceId: NO_SOURCE, provider: OWN_SERVICE, occurredAtMs: atMs, receivedAtMs: atMs },
  );

test('D4 a rule fires for its types and only when its expression holds', () => {
  expect(judge({ expression: 'event.campaign == "spring-1"' }, reply())?.kind).toBe('fires');
  expect(judge({ expression: 'event.campaign == "autumn"' }, reply())).toBeUndefined();
  expect(judge({ types: ['message.delivered'] }, reply())).toBeUndefined();
  expect(judge({ types: ['message.*'] }, reply())?.kind).toBe('fires');
  expect(judge({ types: ['conversation.replied'] }, reply())?.kind).toBe('fires');
  expect(judge({ types: ['*'], expression: 'conversation.state == "replied"' }, reply())?.kind).toBe('fires');
});

describe('E2 A10 of an event that nobody vouches for', () => {
  const forged = reply({ note: 'unauthentic: signature.mismatch' });
  const handingOff = { kind: 'handoff', reason: 'policy', queue: '', priority: 0 } as const;
  const suppressing = { kind: 'suppress', channel: 'all', scope: '', reason: '' } as const;
  const fires = (action: RuleAction, expression: string, event = forged): boolean =>
    judge({ action, expression }, event)?.kind === 'fires';

  test.each<[string, RuleAction, boolean, boolean]>([
    // Would break: whoever can post to a source that only monitors could have us write to anybody.
    ['a send never fires', sending('hello'), false, false],
    ['a hand-off fires only for a rule that knows', handingOff, false, true],
    ['a tag fires only for a rule that knows', tagging, false, true],
    // It may be a person after all, whose secret is set up wrongly.
    ['a suppression fires', suppressing, true, true],
  ])('%s', (_, action, isFired, isFiredKnowingly) => {
    expect(fires(action, '')).toBe(isFired);
    expect(fires(action, 'event.unauthenticCause == "signature.mismatch"')).toBe(isFired);
    for (const knowing of ['!event.authentic', 'event.authentic || event.channel == "sms"'])
      expect(fires(action, knowing)).toBe(isFiredKnowingly);
    expect(fires(action, 'event.authentic')).toBe(false);
    for (const expression of ['', 'event.authentic && event.unauthenticCause == ""'])
      expect(fires(action, expression, reply())).toBe(true);
    expect(fires(action, '!event.authentic', reply())).toBe(false);
  });
});

test('D4 a part of a text triggers nothing, also when a rule is tried on stored events', () => {
  const whole = new RowsInMemory().project([reply()]).seen[0]!;
  const part = { textHash: Buffer.alloc(16, 1), number: 1, total: 2 };
  const event = { ...whole.transition.event, attributes: { ...whole.transition.event.attributes, part } };
  const rule = compileRule(ruleVersion());
  expect(judgeRule(rule, whole, NEVER)?.kind).toBe('fires');
  expect(judgeRule(rule, { ...whole, transition: { ...whole.transition, event } }, NEVER)).toBeUndefined();
});

test('D4 what cannot be judged is an error that names the reason, and fires nothing', () => {
  const noConversation = reply({ conversationHash: Buffer.alloc(0) });
  expect(judge({}, noConversation)).toEqual({ kind: 'error', detail: 'the event has no conversation' });
  expect(judge({ expression: 'conversation.inboundCount' }, reply())).toEqual({
    kind: 'error',
    detail: 'the expression is no condition',
  });
  expect(judge({ expression: '1 / 0 == 1' }, reply())?.kind).toBe('error');
  expect(judge({ once: 'message', types: ['*'] }, closed())).toEqual({
    kind: 'error',
    detail: 'the event has no message',
  });
});

test('D4 an event from before a rule was in force is none of its business', () => {
  const rule = compileRule(ruleVersion({}, { effectiveAtMs: NOW_MS + 1 }));
  const [seen] = new RowsInMemory().project([reply()]).seen;
  expect(judgeRule(rule, seen!, NEVER)).toBeUndefined();
});

test('D4 placeholders are worked out when the rule fires', () => {
  const action = sending('Hi {{ event.campaign.upperAscii() }}, no. {{conversation.inboundCount}} {{ }} }}');
  expect(() => compileRule(ruleVersion({ action }))).toThrow(/\{\{ {2}\}\}/);
  const judgement = judge({ action: sending('{{ event.campaign }}/{{conversation.inboundCount}}') }, reply());
  expect(judgement).toMatchObject({ kind: 'fires', firing: { values: ['spring-1', '1'] } });
});

test('D4 C3 property: replies in any order, any number and any batches fire once for the conversation’s state', () => {
  const replies = Array.from({ length: 6 }, (_, at) => reply({}, { occurredAtMs: NOW_MS - 1_000 + at }));
  const definition = { once: 'conversation_state', expression: 'conversation.state == "replied"' } as const;
  fc.assert(
    fc.property(
      fc.array(fc.nat(replies.length - 1), { minLength: 1, maxLength: 24 }),
      fc.array(fc.integer({ min: 1, max: 5 }), { maxLength: 24 }),
      (order, cuts) => {
        const events = order.map((at) => replies[at]!);
        const batches = [];
        for (const cut of [...cuts, events.length]) batches.push(events.splice(0, cut));
        expect(
          fired(
            definition,
            batches.filter((batch) => batch.length > 0),
          ),
        ).toHaveLength(1);
      },
    ),
    { numRuns: 200 },
  );
});

test('D4 C3 property: any order and repetition of a message’s events fires once for the message, once for each event', () => {
  const providerMessageId = 'SM1';
  const events = ['queued', 'sent', 'delivered', 'read'].map((status) =>
    loggedEvent(`message.${status}`, { status, providerMessageId }),
  );
  fc.assert(
    fc.property(fc.array(fc.constantFrom(...events), { minLength: 1, maxLength: 16 }), (history) => {
      const batches = history.map((event) => [event]);
      const types = ['message.*'];
      expect(fired({ types, once: 'message' }, batches)).toHaveLength(1);
      expect(fired({ types, once: 'event' }, batches)).toHaveLength(new Set(history).size);
    }),
    { numRuns: 200 },
  );
});

test('D4 a state that comes again is another one: closed in between, a reply fires again', () => {
  const definition = { once: 'conversation_state' } as const;
  const later = { occurredAtMs: CLOSED_MS + 1, receivedAtMs: CLOSED_MS + 1 };
  const history = [[reply()], [reply()], [closed()], [reply({}, later)], [reply({}, later)]];
  expect(fired(definition, history)).toHaveLength(2);
});

test('D4 F8 a message that a callback named first keeps one key in the batch in which it is found out', () => {
  const [messageId, providerMessageId] = [newUuid(NOW_MS), 'SM7'];
  const callback = loggedEvent('message.delivered', { status: 'delivered', providerMessageId });
  const sent = loggedEvent('message.sent', { status: 'sent', providerMessageId, messageId });
  const effects = fired({ types: ['message.*'], once: 'message' }, [[callback, sent]]);
  expect(effects).toHaveLength(1);
  expect(effects[0]!.seen.message!.messageId).toEqual(messageId);
});

test('D4 a tenant without rules, and a type that no rule has, are not looked at', () => {
  const rule = compileRule(ruleVersion({ types: ['message.delivered', 'conversation.*'] }));
  const set = new RuleSet([rule]);
  expect(set.watches(loggedEvent('message.sent'))).toBe(true);
  expect(set.watches(loggedEvent('event.unrecognized'))).toBe(false);
  expect(set.watches(loggedEvent('message.sent', {}, { tenantId: newUuid(9) }))).toBe(false);
  expect(new RuleSet().watches(loggedEvent('message.sent'))).toBe(false);
  expect(mayTrigger(compileRule(ruleVersion({ types: ['conversation.replied'] })), 'message.received')).toBe(
    true,
  );
});

test('D4 F3 rules that together would take too long are not all in force', () => {
  const expression = Array.from({ length: 2 }, () => 'event.type.matches("a")').join('||');
  const rules = Array.from({ length: 6 }, () => compileRule(ruleVersion({ expression, action: tagging })));
  const set = new RuleSet(rules);
  expect(set.size).toBeLessThan(rules.length);
  expect(set.size).toBe(Math.floor(TENANT_COST_MAX / rules[0]!.cost));
});
