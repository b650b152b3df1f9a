enum ImportRulesTestsPlaceholder {}
