import fc from 'fast-check';
import {
  compileExpression,
  EXPRESSION_COST_MAX,
  EXPRESSION_LENGTH_MAX,
  InvalidExpression,
} from './rule-expression.js';
import { reply, RowsInMemory } from '../../test/rule.builder.js';
import { ruleFactsOf } from './rule-facts.js';

const NEVER = { optedOutAtMs: 0, optedInAtMs: 0 };
const SEEN = new RowsInMemory().project([reply()]).seen[0]!;
const facts = ruleFactsOf(SEEN, NEVER);
const valueOf = (text: string, over = facts) => compileExpression(text).evaluate(over);

test('D4 an expression sees the event, and the state of message, conversation and consent after it', () => {
  const yes = { kind: 'value', value: true };
  for (const text of [
    'event.type == "message.received" && event.channel == "sms"',
    'event.facts == ["conversation.replied"] && event.effect == "applied"',
    'message.state == "received" && message.previousState == ""',
    'conversation.state == "replied" && conversation.previousState == "open" && conversation.isChanged',
    'conversation.inboundCount + 1 > 1 && conversation.outboundCount == 0',
    'consent.state == "unknown" && !consent.isOptedOut',
    'event.campaign.matches("^spring")',
    'event.campaign.lowerAscii().startsWith("spring")',
    'timestamp(event.receivedAt) - timestamp(conversation.createdAt) < duration("1h")',
    'timestamp(event.receivedAt).getHours("Europe/Berlin") >= 0',
    '["spring-1", "spring-2"].exists(c, c == event.campaign)',
  ])
    expect([text, valueOf(text)]).toEqual([text, yes]);
  expect(valueOf('event.campaign + "!"')).toEqual({ kind: 'value', value: 'spring-1!' });
  expect(valueOf('conversation.inboundCount')).toEqual({ kind: 'value', value: '1' });
});

test('D4 E1 consent overlays the conversation, as people are shown it', () => {
  const out = ruleFactsOf(SEEN, { optedOutAtMs: 5, optedInAtMs: 4 });
  expect(valueOf('conversation.state == "opted_out" && consent.isOptedOut', out)).toEqual({
    kind: 'value',
    value: true,
  });
});

test('D4 what a running expression does wrong is told, and never thrown', () => {
  for (const text of [
    'conversation.inboundCount + 1.5 > 2.0',
    'timestamp(event.occurredAt) > timestamp("x")',
    '1 / 0 == 1',
    '[1][7] == 1',
  ])
    expect([text, valueOf(text).kind]).toEqual([text, 'error']);
});

test('D4 what cannot be right is refused when the rule is made, with the reason', () => {
  const refusals: readonly (readonly [string, RegExp])[] = [
    ['event.type ==', /expecting/],
    ['evnt.type == ""', /there is no evnt; there are event, message/],
    ['event.tpye == ""', /event has no tpye; it has id, type/],
    ['event.type.matches(event.note)', /written out/],
    ['event.type.matches("(")', /missing closing/],
    ['event.type.matches("(a{1,500}){1,500}")', /count repetitions/],
    [`event.type.matches("${'a'.repeat(201)}")`, /at most 200/],
    ['google.protobuf.Timestamp{seconds: 1} == timestamp("x")', /cannot be made/],
    ['('.repeat(500) + 'true' + ')'.repeat(500), /nested too deeply|cost/],
    ['['.repeat(300) + ']'.repeat(300) + ' == []', /nested too deeply/],
    ['!'.repeat(EXPRESSION_LENGTH_MAX + 1), /at most 2000/],
  ];
  for (const [text, reason] of refusals) {
    expect(() => compileExpression(text)).toThrow(InvalidExpression);
    expect(() => compileExpression(text)).toThrow(reason);
  }
});

test('D4 F3 what may run for long is refused before it runs once', () => {
  const list = (n: number): string => `[${Array.from({ length: n }, (_, at) => at).join(',')}]`;
  for (const text of [
    `${list(60)}.all(x, ${list(60)}.all(y, x + y >= 0))`,
    // Doubles what it is given at each step: 2^n elements of n brackets.
    '[[[[["ab"].map(a, a+a)].map(b, b+b)].map(c, c+c)].map(d, d+d)].map(e, e+e) != []',
    Array.from({ length: 12 }, () => 'event.type.matches("a")').join('||'),
  ])
    expect(() => compileExpression(text)).toThrow(/may cost|the most/);
  expect(compileExpression(`event.type in ${JSON.stringify(['a', 'b'])}`).cost).toBeLessThan(
    EXPRESSION_COST_MAX,
  );
});

test('D4 property: any text is refused or compiled, and what compiles never throws', () => {
  const word = fc.constantFrom(
    ...['event.type', 'consent', 'conversation.inboundCount', '"a"', '1', '1.5', 'true', '[1,2]', '{"a": 1}'],
    ...[
      '==',
      '+',
      '&&',
      '||',
      '!',
      '<',
      'in',
      '?',
      ':',
      '(',
      ')',
      '.size()',
      '.all(x, x == 1)',
      '[0]',
      '{{',
      "'",
    ],
  );
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fc.array(word, { maxLength: 12 }).map((words) => words.join(' ')),
      ),
      (text) => {
        let compiled;
        try {
          compiled = compileExpression(text);
        } catch (error) {
          expect(error).toBeInstanceOf(InvalidExpression);
          return;
        }
        expect(['value', 'error']).toContain(compiled.evaluate(facts).kind);
      },
    ),
    { numRuns: 500 },
  );
});
