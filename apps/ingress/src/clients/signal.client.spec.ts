import type { IntakeSignal } from '@posthorn/contracts/posthorn/compliance/v1/compliance.js';
import { SignalClient } from './signal.client.js';

const signal = (provider: string): IntakeSignal => ({ provider }) as IntakeSignal;
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** Calls that are answered, and a time that passes, when the test says so. */
function answeredByHand() {
  const time = { nowMs: 0 };
  const calls: { signals: readonly IntakeSignal[]; answer: (answers: boolean[]) => void }[] = [];
  const apply = (signals: readonly IntakeSignal[]) =>
    new Promise<readonly boolean[]>((answer) => calls.push({ signals, answer }));
  return { calls, time, client: new SignalClient(apply, { monotonicMs: () => time.nowMs }) };
}

describe('SignalClient', () => {
  test('E1 one opt-out on its own waits for nothing', () => {
    const { calls, client } = answeredByHand();
    void client.isInForce(signal('a'));
    expect(calls).toHaveLength(1);
  });

  test('E1 opt-outs that come soon after a call share the next one, and each gets its own answer', async () => {
    const { calls, time, client } = answeredByHand();
    const answers = ['a', 'b', 'c'].map((provider) => client.isInForce(signal(provider)));
    expect(calls).toHaveLength(1);
    time.nowMs = 10;
    while (calls.length < 2) await pause(1);
    expect(calls[1]!.signals.map(({ provider }) => provider)).toEqual(['b', 'c']);
    calls[1]!.answer([false, true]);
    calls[0]!.answer([true]);
    expect(await Promise.all(answers)).toEqual([true, false, true]);
  });

  test('E1 a call that takes long holds up nobody but its own, and only so many are under way', async () => {
    const { calls, time, client } = answeredByHand();
    for (const provider of ['a', 'b', 'c', 'd', 'e', 'f']) {
      void client.isInForce(signal(provider));
      time.nowMs += 15;
    }
    expect(calls).toHaveLength(4);
    calls[0]!.answer([true]);
    while (calls.length < 5) await pause(1);
    expect(calls[4]!.signals.map(({ provider }) => provider)).toEqual(['e', 'f']);
  });

  test('E1 a call that fails says so to all that shared it', async () => {
    const client = new SignalClient(() => Promise.reject(new Error('gone')), { monotonicMs: () => 0 });
    await expect(client.isInForce(signal('a'))).rejects.toMatchObject({ code: 'internal.error' });
  });
});
