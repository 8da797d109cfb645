import { grouped, type Evidence, type Violation } from './evidence.js';
import { expectedState } from './message-fold.js';

/** What may follow from an event beside its own fact, each once. */
const CONVERSATION_FACTS: ReadonlySet<string> = new Set([
  ...['conversation.replied', 'conversation.escalated', 'conversation.claimed', 'conversation.accepted'],
  ...['conversation.released', 'conversation.offer_expired', 'conversation.closed'],
]);

/** Whether a conversation is said to be replied to by an event that is no message from the contact. */
const hasReplyOf = (facts: readonly { readonly type: string }[], type: string | undefined): boolean =>
  type !== 'message.received' && facts.some((fact) => fact.type === 'conversation.replied');

/** I2: each state effect exactly once: transitions, facts, their numbers, and the state itself. */
export function judgeEffects(evidence: Evidence): Violation[] {
  return [
    ...judgeTransitions(evidence.stored),
    ...judgeFacts(evidence.stored),
    ...judgeMessages(evidence),
    ...judgeNumbers(evidence.stored),
  ];
}

function judgeTransitions({ transitions, facts, events }: Evidence['stored']): Violation[] {
  const factsOf = grouped(facts, ({ event }) => event);
  const typeOf = new Map(events.map(({ event, type }) => [event, type]));
  return [...grouped(transitions, ({ event }) => event)].flatMap(([subject, group]): Violation[] => {
    const violations: Violation[] = [];
    if (group.length > 1) violations.push({ invariant: 'I2', what: 'an event was applied twice', subject });
    const { message, to, isApplied } = group[0]!;
    const type = message === '' ? typeOf.get(subject) : `message.${to}`;
    const found = factsOf.get(subject) ?? [];
    if (isApplied && !found.some((fact) => fact.type === type))
      violations.push({ invariant: 'I2', what: 'the fact of a state change is missing', subject });
    const own = found.filter((fact) => !CONVERSATION_FACTS.has(fact.type));
    if (own.length > (isApplied ? 1 : 0) || hasReplyOf(found, type))
      violations.push({ invariant: 'I2', what: 'facts tell twice, or of what did not happen', subject });
    return violations;
  });
}

function judgeFacts({ facts, events }: Evidence['stored']): Violation[] {
  const inLog = new Set(events.map(({ event }) => event));
  const twice = [...grouped(facts, ({ event, type }) => `${event} ${type}`)].filter(
    ([, { length }]) => length > 1,
  );
  const ids = [...grouped(facts, ({ fact }) => fact)].filter(([, { length }]) => length > 1);
  const orphans = facts.filter(({ event }) => !inLog.has(event));
  const doubled = (subject: string): Violation => ({
    invariant: 'I2',
    what: 'a fact was written twice',
    subject,
  });
  return [
    ...[...twice, ...ids].map(([subject]) => doubled(subject)),
    ...orphans.map(({ fact }): Violation => ({
      invariant: 'I3',
      what: 'a fact follows from no event in the log',
      subject: fact,
    })),
  ];
}

/** Each message's state against the checker's own fold of what is stored of it. */
function judgeMessages({ sent, stored }: Evidence): Violation[] {
  const planned = new Map(
    sent.flatMap(({ events }) => events.map((event) => [event.messageId, event] as const)),
  );
  const projected = new Set(stored.transitions.map(({ event }) => event));
  const statesOf = new Map<string, string[]>();
  const stateOfEvent = statesByEvent(sent, stored);
  for (const { event, source, providerMessageId } of stored.events) {
    const state = stateOfEvent.get(event);
    if (state === undefined || !projected.has(event)) continue;
    const key = `${source} ${providerMessageId}`;
    statesOf.set(key, [...(statesOf.get(key) ?? []), state]);
  }
  const rows = grouped(stored.messages, ({ source, providerMessageId }) => `${source} ${providerMessageId}`);
  return [...statesOf].flatMap(([subject, states]): Violation[] => {
    const messages = rows.get(subject) ?? [];
    if (messages.length === 0) return [{ invariant: 'I2', what: 'a message is missing', subject }];
    if (messages.length > 1) return [{ invariant: 'I2', what: 'a message exists twice', subject }];
    if (!planned.has(messages[0]!.providerMessageId)) return [];
    const expected = expectedState(states);
    return expected === undefined || expected === messages[0]!.state
      ? []
      : [{ invariant: 'I2', what: `state ${messages[0]!.state} where ${expected} follows`, subject }];
  });
}

/** What each stored event says, taken from the sender: by the hash of its request and the message it names. */
function statesByEvent(sent: Evidence['sent'], { raws, events }: Evidence['stored']): Map<string, string> {
  const byHash = new Map(sent.map((request) => [request.bodyHash, request]));
  const requestOf = new Map(
    raws.map(({ request, content }) => [request, byHash.get(content?.bodyHash ?? '')]),
  );
  const states = new Map<string, string>();
  for (const [request, group] of grouped(events, (event) => event.request)) {
    const left = [...(requestOf.get(request)?.events ?? [])];
    for (const { event, providerMessageId, type } of group) {
      const at = left.findIndex(
        ({ messageId, state }) => messageId === providerMessageId && type === `message.${state}`,
      );
      if (at >= 0) states.set(event, left.splice(at, 1)[0]!.state);
    }
  }
  return states;
}

/** Dense from 1: a gap would make consumers wait for ever, a lag of the head would hide facts. */
function judgeNumbers({ shards }: Evidence['stored']): Violation[] {
  return shards.flatMap(({ shard, first, last, count, distinct, head }): Violation[] => {
    const subject = `shard ${shard}`;
    if (first !== 1 || last !== count || distinct !== count)
      return [{ invariant: 'I2', what: 'the numbers of facts have gaps or repeats', subject }];
    return last === head
      ? []
      : [{ invariant: 'I2', what: `the head is ${head}, the last fact ${last}`, subject }];
  });
}
