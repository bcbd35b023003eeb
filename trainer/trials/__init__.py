"""The trial of a candidate, as the parent holds it: questions to the child, answers doubted, findings kept."""
