import { AppError, type AppErrorOptions } from '@posthorn/errors/app-error.js';
import { type ErrorCode } from '@posthorn/errors/registry.js';
import { ExplainMessage } from './explain-message.js';

type Deps = ConstructorParameters<typeof ExplainMessage>;
const found = (answer: object) => async () => answer;
const fails =
  (code: ErrorCode, options: AppErrorOptions = {}) =>
  async () => {
    throw new AppError(code, options);
  };
const explain = (getMessage: () => Promise<object>, getMessageCommand: () => Promise<object>) =>
  new ExplainMessage(
    { query: { getMessage }, read: { deadlineMs: 1 } } as unknown as Deps[0],
    { commandQuery: { getMessageCommand }, read: { deadlineMs: 1 } } as unknown as Deps[1],
  ).run('ten_a', 'msg_a');
const message = { id: 'msg_a' };

test('D1 a message is found from the moment it was accepted, before the log has been told of it', async () => {
  const answer = await explain(fails('message.not_found'), found({ command: message }));
  expect(answer).toEqual({ message: undefined, command: message });
});

test('D1 one that came in has no command, one that went out has both', async () => {
  expect(await explain(found({ message }), fails('message.not_found'))).toEqual({
    message,
    command: undefined,
  });
  expect(await explain(found({ message }), found({ command: message }))).toEqual({
    message,
    command: message,
  });
});

test('D1 not found is said only when both say so: a service that is away is not an answer', async () => {
  const nowhere = fails('message.not_found');
  await expect(explain(nowhere, nowhere)).rejects.toMatchObject({ code: 'message.not_found' });
  const away = fails('service.unavailable');
  await expect(explain(nowhere, away)).rejects.toMatchObject({ code: 'service.unavailable' });
  await expect(explain(away, found({ command: message }))).rejects.toMatchObject({
    code: 'service.unavailable',
  });
});
