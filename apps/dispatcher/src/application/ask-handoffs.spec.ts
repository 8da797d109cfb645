import { newUuid } from '@posthorn/clock/id.js';
import { AppError } from '@posthorn/errors/app-error.js';
import type { HandoffPackage } from '../domain/handoff-part.js';
import { AskHandoffs } from './ask-handoffs.js';

const NOW_MS = 1_700_000_000_000;
const [tenantId, eventId] = [newUuid(NOW_MS), newUuid(NOW_MS)];
const told: HandoffPackage = { handoffId: 'evt_1', isErased: false, packageJson: '{}', flatJson: '{}' };

test('D6 deliveries that leave together share one answer, and nothing of it is kept', async () => {
  // Would break: a person who is erased would still be told of from memory.
  const answers: ((answer: HandoffPackage) => void)[] = [];
  const asking = new AskHandoffs({
    describeHandoff: () => new Promise<HandoffPackage>((resolve) => answers.push(resolve)),
  });
  const together = [asking.of({ tenantId, eventId }), asking.of({ tenantId, eventId })];
  void asking.of({ tenantId: newUuid(NOW_MS), eventId });
  expect(answers).toHaveLength(2);
  answers[0]!(told);
  expect(await Promise.all(together)).toEqual([told, told]);
  void asking.of({ tenantId, eventId });
  expect(answers).toHaveLength(3);
});

test('a question that failed is asked again', async () => {
  let calls = 0;
  const asking = new AskHandoffs({
    describeHandoff: () => {
      calls += 1;
      return calls === 1 ? Promise.reject(new AppError('service.unavailable')) : Promise.resolve(told);
    },
  });
  await expect(asking.of({ tenantId, eventId })).rejects.toMatchObject({ code: 'service.unavailable' });
  expect(await asking.of({ tenantId, eventId })).toEqual(told);
});
