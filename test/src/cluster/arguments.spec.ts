import { expect, test } from '@jest/globals';
import { parseClusterArguments } from './arguments.js';

const NEEDED = ['--from', '1', '--to', '2', '--sink-address', '203.0.113.9'];

test('what is needed is enough, and the rest has defaults', () => {
  expect(parseClusterArguments(NEEDED)).toMatchObject({
    repository: 'localhost/posthorn',
    from: '1',
    to: '2',
    import: '',
    sinkAddress: '203.0.113.9',
    isKept: false,
  });
});

test.each([
  ['--from, --to and --sink-address are needed', ['--from', '1', '--to', '2']],
  ['nothing would be upgraded', [...NEEDED, '--to', '1']],
  ['--import names no {image}', [...NEEDED, '--import', 'docker push']],
  ['--rate takes', [...NEEDED, '--rate', '0']],
  ['--seed takes a number', [...NEEDED, '--seed', 'x']],
  ['usage:', [...NEEDED, '--unheard-of']],
])('it refuses: %s', (why, args) => {
  expect(() => parseClusterArguments(args)).toThrow(why);
});
