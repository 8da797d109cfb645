import fc from 'fast-check';
import { newUuid } from '@posthorn/clock/id.js';
import { loggedEvent, NOW_MS, reply, RowsInMemory, ruleVersion } from '../../test/rule.builder.js';
import type { ConversationRecord } from './conversation.js';
import { NO_SOURCE } from './intake.js';
import { OWN_SERVICE, type LoggedEvent } from './project-event.js';
import { dryRun, firstOfKeys } from './rule-dry-run.js';
import { compileRule, judgeRule } from './rule-firing.js';
import type { SeenEvent } from './rule-facts.js';

const NEVER = { optedOutAtMs: 0, optedInAtMs: 0 };
const rule = compileRule(
  ruleVersion({
    types: ['*'],
    expression: 'event.type == "message.received" && conversation.state in ["replied", "escalated"]',
    once: 'conversation_state',
  }),
);

const KINDS = ['reply', 'conversation.escalated', 'conversation.claimed', 'conversation.closed'] as const;
function eventOf(kind: (typeof KINDS)[number], at: number): LoggedEvent {
  const time = { occurredAtMs: NOW_MS + at, receivedAtMs: NOW_MS + at, eventId: newUuid(NOW_MS + at) };
  return kind === 'reply'
    ? reply({}, time)
    : loggedEvent(kind, { providerMessageId: '' }, { ...time, sourceId: NO_SOURCE, provider: OWN_SERVICE });
}

test('D4 property: of a history as it happened a dry run says what the rule would have fired', () => {
  // Would break: people would switch a rule on because of numbers that it never keeps.
  fc.assert(
    fc.property(fc.array(fc.constantFrom(...KINDS), { minLength: 1, maxLength: 14 }), (kinds) => {
      const rows = new RowsInMemory();
      const seen: SeenEvent[] = kinds.flatMap((kind, at) => rows.project([eventOf(kind, at)]).seen);
      const live = seen.flatMap((one) => {
        const judged = judgeRule(rule, one, NEVER);
        return judged?.kind === 'fires' ? [judged.firing] : [];
      });
      const last: ConversationRecord | undefined = seen.at(-1)!.conversation;
      const stored = seen.map((one) => ({ ...one, conversation: last, consent: NEVER }));
      const dry = dryRun(rule, stored).flatMap((judged) => (judged?.kind === 'fires' ? [judged.firing] : []));
      const firstIds = (firings: typeof live) =>
        [...firstOfKeys(firings, new Set())].map((one) => one.seen.transition.event.eventId.toString('hex'));
      expect(firstIds(dry)).toEqual(firstIds(live));
    }),
    { numRuns: 300 },
  );
});

test('D4 what has fired before would only be repeated', () => {
  const [seen] = new RowsInMemory().project([reply()]).seen;
  const judged = judgeRule(rule, seen!, NEVER);
  if (judged?.kind !== 'fires') throw new Error('it must fire');
  const { firing } = judged;
  expect(firstOfKeys([firing, firing], new Set()).size).toBe(1);
  expect(firstOfKeys([firing], new Set([firing.triggerKey.toString('hex')])).size).toBe(0);
});
