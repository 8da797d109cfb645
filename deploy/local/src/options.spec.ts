import { availableParallelism } from 'node:os';
import { ingressProcessesFor, parseOptions } from './options.js';

test('no arguments: the demo, no offset, .posthorn in the working directory, the door as this machine needs it', () => {
  expect(parseOptions([], '/clone')).toMatchObject({
    withDemo: true,
    portOffset: 0,
    dataDir: '/clone/.posthorn',
    ingressProcesses: ingressProcessesFor(availableParallelism()),
  });
});

test('every argument is understood', () => {
  const options = parseOptions(
    [
      '--no-demo',
      '--port-offset',
      '100',
      '--data',
      'x',
      '--ingress-processes',
      '3',
      '--service-env',
      'events.DATABASE_URL=postgres://a?b=c',
    ],
    '/clone',
  );
  expect(options).toMatchObject({
    ...{ withDemo: false, portOffset: 100, dataDir: '/clone/x' },
    ingressProcesses: 3,
  });
  expect(options.serviceEnv.get('events')).toEqual({ DATABASE_URL: 'postgres://a?b=c' });
});

test.each([
  [1, 1],
  [2, 1],
  [3, 1],
  [8, 4],
  [256, 64],
])('on %i cores the door is %i processes', (cores, processes) => {
  expect(ingressProcessesFor(cores)).toBe(processes);
});

test.each([
  ['--port-offset', 'x'],
  ['--port-offset'],
  ['--port-offset', '-1'],
  ['--what'],
  ['--service-env', 'nonsense'],
])('a wrong argument is refused with the usage line: %s %s', (...args) => {
  expect(() =>
    parseOptions(
      args.filter((arg) => arg !== undefined),
      '/',
    ),
  ).toThrow(/usage: npm start/);
});
