"""
Describe clusterings: dispersion within clusters, centres, and scores.

Labelled rows are checked and summed by cluster in `labelled_rows`. The rest is arithmetic on these
sums, or on kernel sums by label.

Files
-----
dispersion: `cluster_dispersion` and `wcss`
gap: the gap statistic
geometric_medians: `geometric_median`
labelled_rows: rows with labels, checked and summed by cluster
pair_sums: distances summed over the pairs of each cluster
scores: the scores of Calinski–Harabasz and Davies–Bouldin, and Dunn's index
silhouettes: `silhouette_samples` and `silhouette_score`
"""
