/** "Did you mean": written once, below `src/config/`, because the configuration needs it too and imports nothing from here. */
export { didYouMean, distance, suggestion } from '../config/nearest.js';
