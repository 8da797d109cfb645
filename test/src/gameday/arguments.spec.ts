import { parseGamedayArguments } from './arguments.js';

const FIVE = ['storm', 'drift'];
const ALL = [...FIVE, 'failover'];
const parse = (...args: string[]) => parseGamedayArguments(args, ALL, FIVE);

test('I2 a game day rehearses all, some, or the first five, each once', () => {
  expect(parse()).toEqual({ names: ALL, isShort: false, isKept: false });
  expect(parse('all', 'drift').names).toEqual(ALL);
  expect(parse('failover', '--keep')).toEqual({ names: ['failover'], isShort: false, isKept: true });
  expect(parse('first-five', '--short')).toEqual({ names: FIVE, isShort: true, isKept: false });
});

test('I2 what cannot be rehearsed is said, with what can', () => {
  expect(() => parse('flood')).toThrow('there is no incident flood; there are storm, drift, failover');
  expect(() => parse('all', '--short')).toThrow('failover would be in the way of the others');
});
