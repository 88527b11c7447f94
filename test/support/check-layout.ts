/** The part of `npm run check` that no tool knows: import order and top-level names. */
import { importProblems, topLevelProblems } from './layout.js';
import { root } from './project.js';

const problems = [...importProblems(root), ...topLevelProblems(root)];
for (const problem of problems) console.error(problem);
if (problems.length > 0) process.exitCode = 1;
