// `npm run gameday`: causes incidents on a platform of their own and follows the runbooks. Arguments: NAME … | first-five | all, --short, --keep.
import { runJudge } from './run-judge.mjs';

runJudge('gameday/main.js');
